"""CLIP through the host's loaders."""
