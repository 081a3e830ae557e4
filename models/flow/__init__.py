"""Optical flow: exact, estimated, composed, drawn and in files."""
