"""Depth of a clip made steady: one scale and one shift for each frame, solved for all frames together."""
