"""The character model (MIMO): one picture of the character, and pictures of a body in motion."""
