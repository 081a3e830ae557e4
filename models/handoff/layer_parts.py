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
    found = {PERSON: person} | {
        object_name(k): part for k, part in zip(layers.front_objects(index), objects, strict=True)
    }
    parts = {SCENE: channels_of(scene, layers)}
    empty = {name: np.zeros(layers.size, np.float32) for name in parts[SCENE]}
    for name in (PERSON, *map(object_name, numbers)):
        parts[name] = channels_of(found[name], layers) if name in found else empty
    return parts


def object_name(number: int) -> str:
    return f"object {number}"


def channels_of(part: LayerPart, layers: Layers) -> dict[str, np.ndarray]:
    """R, G, B, A of a layer, and Z where it is visible: metres, or greys where near is white."""
    straight = part.colour / part.coverage.clamp_min(1e-6)[..., None]
    picture = torch.cat((straight, part.coverage[..., None]), -1).where(part.coverage[..., None] > 0, 0.0)
    channels = picture_channels(picture)
    if part.nearness is not None:
        depth = 1 / part.nearness.clamp_min(1e-12) if layers.depth_type == DISTANCE else part.nearness
        channels["Z"] = depth.where(part.coverage > 0, 0.0).float().numpy()
    return channels
