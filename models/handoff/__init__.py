"""Depth, pictures, motion and layers in the files that other programs read and write."""
