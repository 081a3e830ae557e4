"""A synthetic stage: a capsule figure acts in a room while objects pass, with exact truth for everything.

scene.py    what is on stage, drawn from a seed: character, action, room, objects, camera, style
room.py     the inside of a box, textured, seen in perspective
props.py    moving objects
shading.py  colours of the figure and the objects under a style
render.py   one scene to a Clip: rgb, depth, masks, layers, pose, flow, parts
caption.py  the sentence that tells the scene, from a fixed vocabulary
"""

from .caption import VOCABULARY, describe
from .render import Clip, character_keypoints, composite, render, render_character
from .scene import ACTION_NAMES, CAMERAS, Scene, sample_scene
from .shading import STYLES

__all__ = [
    "ACTION_NAMES", "CAMERAS", "STYLES", "VOCABULARY", "Clip", "Scene",
    "character_keypoints", "composite", "describe", "render", "render_character", "sample_scene",
]  # fmt: skip
