"""Optical flow by the host's own models."""
