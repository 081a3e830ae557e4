"""The layers of a clip as the parts of an EXR file: scene, person and each object in front.

Letters: H and W pixels.
"""

import numpy as np
import torch

from ..layers.composite import LayerPart, split_layers
from ..layers.layers import DISTANCE, Layers
from .channels import picture_channels

SCENE, PERSON = "scene", "person"


def front_numbers(layers: Layers) -> list[int]:
    """The objects that are in front of the person in any frame."""
    return [] if not layers.count else layers.in_front.any(0).nonzero()[:, 0].tolist()


def layer_parts(layers: Layers, index: int, numbers: list[int]) -> dict[str, dict[str, np.ndarray]]:
    """The parts of a frame, the same in every frame; an object that is not in front there is empty."""
    scene, person, *objects = split_layers(layers, index)
    found = {SCENE: scene, PERSON: person}
    found |= {object_name(k): part for k, part in zip(layers.front_objects(index), objects, strict=True)}
    parts = {}
    for name in (SCENE, PERSON, *map(object_name, numbers)):
        part = found.get(name)
        parts |= parts_of(name, part or nothing(scene), layers.depth_type == DISTANCE)
    return parts


def object_name(number: int) -> str:
    return f"object_{number}"


def nothing(like: LayerPart) -> LayerPart:
    """A layer of which nothing is visible."""
    return LayerPart(torch.zeros_like(like.colour), torch.zeros_like(like.coverage), like.nearness, 0)


def parts_of(name: str, part: LayerPart, metric: bool) -> dict[str, dict[str, np.ndarray]]:
    """R, G, B, A of a layer, and Z where it is visible, metres or greys where near is white.

    Depth is a part of its own, as Blender takes a part with five channels for one number.
    """
    visible = part.coverage > 0
    straight = part.colour / part.coverage.clamp_min(1e-6)[..., None]
    picture = torch.cat((straight, part.coverage[..., None]), -1).where(visible[..., None], 0.0)
    parts = {name: picture_channels(picture)}
    if part.nearness is not None:
        depth = 1 / part.nearness.clamp_min(1e-12) if metric else part.nearness
        parts[f"{name}_depth"] = {"Z": depth.where(visible, 0.0).float().numpy()}
    return parts
