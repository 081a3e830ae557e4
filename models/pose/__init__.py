"""Keypoints of people: their dialects and their picture."""
