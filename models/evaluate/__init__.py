"""How good a generated clip is."""
