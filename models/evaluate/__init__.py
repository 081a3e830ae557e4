"""How good a made clip is."""
