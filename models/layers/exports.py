"""Layers for another compositor: colours, alpha and depth of each, frame by frame.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .composite import LayerPart, split_layers
from .layers import DISTANCE, Layers

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

    object_number: one object in place of all that are in front of the person.
    """
    frames, limits = len(layers.images), grey_range(layers)
    shape = (frames, *layers.size)
    out = [(torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(shape)) for _ in range(3)]
    for index in range(frames):
        parts = split_layers(layers, index)
        front = zip(parts[2:], layers.front_objects(index), strict=True)
        groups = [parts[:1], parts[1:2], [part for part, k in front if object_number in (-1, k)]]
        for (colours, alphas, depths), group in zip(out, groups, strict=True):
            write_sum(group, alpha_mode, limits, colours[index], alphas[index], depths[index])
        report(index + 1)
    return out


def write_sum(
    group: list[LayerPart], alpha_mode: str, limits: tuple, colours: Tensor, alphas: Tensor, depths: Tensor
) -> None:
    """Writes the sum of some layers of one frame into (H, W, 3), (H, W) and (H, W)."""
    for part in group:
        colours += part.colour
        alphas += part.coverage
        if part.nearness is not None:
            depths.copy_(torch.where(part.coverage > 0, as_grey(part.nearness, limits), depths))
    if alpha_mode == "straight":
        colours.div_(alphas.clamp_min(1e-6)[..., None]).clamp_(0, 1)
