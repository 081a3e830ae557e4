"""A clip decomposed into scene, person and occluders, and composited again."""
