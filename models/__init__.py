"""Networks and mathematics of the pack. Knows torch, never the host."""
