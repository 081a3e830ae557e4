"""Keypoints: drawn and converted."""

from .pose import ConvertPoseKeypoints, DrawPose

NODES = [DrawPose, ConvertPoseKeypoints]
