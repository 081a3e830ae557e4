"""Inversion with the host's samplers, and depth in its conditioning."""
