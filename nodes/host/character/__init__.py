"""The character in the host's conditioning."""
