"""Attention over time, between modalities and of the text, one idea a file."""
