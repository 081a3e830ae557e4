"""Keypoints: drawn, converted and read from pictures."""

from .pose import ConvertPose, DrawPose
from .reading import PoseToKeypoints

NODES = [DrawPose, ConvertPose, PoseToKeypoints]
