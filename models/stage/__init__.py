"""A synthetic stage: a person of capsules acts in a room while objects pass, with exact ground truth."""

from ..choices import CAMERAS
from .caption import VOCABULARY, describe
from .clip import Clip, render
from .render import character_keypoints, composite, render_character
from .scene import ACTION_NAMES, Scene, sample_scene
from .shading import STYLES

__all__ = [
    "ACTION_NAMES", "CAMERAS", "STYLES", "VOCABULARY", "Clip", "Scene",
    "character_keypoints", "composite", "describe", "render", "render_character", "sample_scene",
]  # fmt: skip
