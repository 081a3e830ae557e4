"""One thing of a scene alone, also where others hide it: what someone would add to a clip without it.

Letters: F frames, H and W pixels.
"""

import torch
from torch import Tensor

from .actors import stage_actors
from .body.capsules import z_buffer
from .scene import Scene


def render_alone(scene: Scene, layer: int) -> tuple[Tensor, Tensor]:
    """(F, H, W) the hard mask of a layer, 0 for the person, then each object, and its depth in metres, infinite outside."""
    camera, actors = scene.view(), stage_actors(scene)
    hits = z_buffer(actors.capsules(camera, slice(0, scene.frames)), camera, actors.layers)
    here, shape = hits.layer == layer, (scene.frames, scene.height, scene.width)
    mask, depth = torch.zeros(shape).flatten(), torch.full(shape, torch.inf).flatten()
    mask[hits.pixel[here]], depth[hits.pixel[here]] = 1.0, hits.depth[here]
    return mask.view(shape), depth.view(shape)
