"""Keypoints: drawn, converted, cleaned over time, in files, and read from pictures."""

from .files import LoadKeypoints, SaveKeypoints
from .filter import FilterKeypoints
from .pose import ConvertPose, DrawPose
from .reading import PoseToKeypoints

NODES = [DrawPose, ConvertPose, PoseToKeypoints, SaveKeypoints, LoadKeypoints, FilterKeypoints]
