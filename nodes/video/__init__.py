"""Frames as a video with the audio of the original, and two clips in one picture."""

from .compare import ComparePair
from .frames import FramesToVideo

NODES = [FramesToVideo, ComparePair]
