"""Turns clips into examples: augments, encodes and caches them."""
