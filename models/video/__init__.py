"""Two clips in one picture."""
