"""Depth pictures: one range for a clip, edits, one depth in the greys of another, heat maps, steady depth."""
