"""The loop that trains every recipe."""
