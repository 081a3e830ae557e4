"""A synthetic stage: a capsule figure acts in a room while objects pass, with exact truth for everything."""

from ..choices import CAMERAS
from .caption import VOCABULARY, describe
from .render import Clip, character_keypoints, composite, render, render_character
from .scene import ACTION_NAMES, Scene, sample_scene
from .shading import STYLES

__all__ = [
    "ACTION_NAMES", "CAMERAS", "STYLES", "VOCABULARY", "Clip", "Scene",
    "character_keypoints", "composite", "describe", "render", "render_character", "sample_scene",
]  # fmt: skip
