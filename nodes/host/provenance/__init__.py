"""Watermarks on the host's device."""
