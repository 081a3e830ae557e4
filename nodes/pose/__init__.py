"""Keypoints: drawn and converted."""

from .pose import ConvertPose, DrawPose

NODES = [DrawPose, ConvertPose]
