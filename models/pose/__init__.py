"""Keypoints of people: their formats and their pictures."""
