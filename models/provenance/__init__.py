"""Marks that say where a clip came from: a number in its pictures that no eye sees."""
