"""Models small enough for a test: their files, and one on the host."""
