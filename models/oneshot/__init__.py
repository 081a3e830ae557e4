"""Edits of one clip: inversion to its noise, video tunings, and the depth channel of a picture model."""
