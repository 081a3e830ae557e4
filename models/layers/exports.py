"""Layers for another compositor: colours, alpha and depth of each, frame by frame.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .composite import LayerPart, split_layers
from .layers import DISTANCE, Layers
from .shared_clip import Family, SharedClip

ALPHA_MODES = ("straight", "premultiplied")


def grey_range(layers: Layers) -> tuple[float, float]:
    """The nearness that becomes black and the one that becomes white; a picture's greys stay as they are."""
    if layers.depth is None or layers.depth_type != DISTANCE:
        return 0.0, 1.0
    low, high = torch.inf, -torch.inf
    for index in range(len(layers.images)):
        near = layers.frame_nearness(index)
        low, high = min(low, near.min().item()), max(high, near.max().item())
    return low, high


def as_grey(near: Tensor, limits: tuple[float, float]) -> Tensor:
    """Nearness (H, W) to greys in 0..1, near is white; where all is one depth, 0.5."""
    low, high = limits
    return ((near - low) / (high - low)).clamp(0, 1) if high > low else torch.full_like(near, 0.5)


def export(
    layers: Layers, alpha_mode: str, object_number: int = -1, report: Callable[[int], None] = lambda done: None
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Scene, person and occluder, each as colours (N, H, W, 3), alpha (N, H, W) and depth (N, H, W).

    object_number: one object in place of all that are in front of the person. A layer that is nowhere takes no memory.
    """
    frames, limits, out = len(layers.images), grey_range(layers), clips_to_write(layers)
    for index in range(frames):
        parts = split_layers(layers, index)
        front = zip(parts[2:], layers.front_objects(index), strict=True)
        groups = [parts[:1], parts[1:2], [part for part, k in front if object_number in (-1, k)]]
        for clips, group in zip(out, groups, strict=True):
            for clip, frame in zip(clips, sum_of(group, alpha_mode, limits, layers.size), strict=True):
                clip.write(index, frame)
        report(index + 1)
    return [tuple(clip.clip() for clip in clips) for clips in out]


def clips_to_write(layers: Layers) -> list[tuple[SharedClip, SharedClip, SharedClip]]:
    """Colours, alpha and depth of scene, person and occluder; an alpha is the given mask where layers do not overlap."""
    family, shape = Family.of(layers.images), (len(layers.images), *layers.size)
    depth = family.sparse("no_depth", None, *shape)
    if layers.depth is not None:
        depth = family.dense("depth", layers.depth, *shape, by_columns=True)
    out = [(family.dense("images", layers.scene, *shape, 3), family.dense("shown", None, *shape), depth)]
    for name, mask in (("person", layers.person), ("occluder", layers.only_object)):
        colours = family.sparse(f"{name}_colours", None, *shape, 3)
        out.append(
            (colours, family.sparse(name, mask, *shape), family.sparse(f"{name}_depth", None, *shape, by_columns=True))
        )
    return out


def sum_of(group: list[LayerPart], alpha_mode: str, limits: tuple, size: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of some layers of one frame: colours (H, W, 3), alpha (H, W) and depth (H, W)."""
    colours, alphas, depths = torch.zeros(*size, 3), torch.zeros(size), torch.zeros(size)
    for part in group:
        colours += part.colour
        alphas += part.coverage
        if part.nearness is not None:
            depths = torch.where(part.coverage > 0, as_grey(part.nearness, limits), depths)
    if alpha_mode == "straight":
        colours.div_(alphas.clamp_min(1e-6)[..., None]).clamp_(0, 1)
    return colours, alphas, depths
