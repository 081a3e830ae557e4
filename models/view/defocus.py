"""Depth of field: a picture blurred by its distances, as a lens with an opening does it.

The picture is cut into layers by how much they are out of focus; each is blurred as a whole, with how much of each pixel
it covers, and what lies behind is laid under what lies in front. Letters: H and W pixels, L layers.
"""

import math

import torch
from torch import Tensor

from ..srgb import to_linear, to_srgb
from .surface import nearness_of

FULL = 5.0  # pixels: a larger blur is computed in a smaller picture
STEP = 1.25  # from the blur of a layer to that of the next
FILM = 36.0  # millimetres, the width of the film that f-numbers are meant for


def blur_radius(depth: Tensor, focus: float, largest: float) -> Tensor:
    """(H, W) pixels by which a point is blurred: `largest` infinitely far away, below 0 in front of the focus."""
    return largest * (1 - focus * nearness_of(depth).nan_to_num(1 / focus))


def largest_radius(f_number: float, focal: float, width: int, focus: float) -> float:
    """The blur of what is infinitely far away, in pixels, for a lens on film of 36 mm."""
    millimetres = focal / width * FILM
    away = max(focus * 1000 - millimetres, millimetres)
    return millimetres * millimetres / f_number / away * width / FILM / 2


def defocused(picture: Tensor, radius: Tensor, limit: float = 64.0) -> Tensor:
    """A picture (H, W, 3) blurred by (H, W) pixels, those in front of the focus below 0, in linear light."""
    radius = radius.clamp(-limit, limit)
    light = torch.cat((to_linear(picture.clamp(0, 1)), torch.ones_like(picture[..., :1])), -1).movedim(-1, 0)
    total, hidden, last = torch.zeros_like(light), torch.zeros_like(radius), torch.zeros_like(radius)
    levels = layer_radii(radius)
    for index, level in enumerate(levels):  # the nearest first
        share = membership(radius, levels, index)
        if share.any():
            layer = disc_blur(light * share, abs(level))
            total += layer * (1 - hidden).clamp_min(0)
        # A surface that spans two neighbouring layers does not hide itself: a layer hides what is two and more behind it.
        hidden = hidden + last
        last = layer[3] if share.any() else torch.zeros_like(last)
    return to_srgb(total[:3] / total[3:].clamp_min(1e-4)).clamp(0, 1).movedim(0, -1)


def layer_radii(radius: Tensor) -> list[float]:
    """(L,) blurs of the layers from the nearest to the farthest."""
    lowest, highest = radius.aminmax()
    steps = [0.0, 0.5, 1.0]
    while steps[-1] < max(-lowest, highest):
        steps.append(steps[-1] * STEP + 0.25)
    levels = [-step for step in steps[:0:-1]] + steps
    first = max(index for index, level in enumerate(levels) if level <= lowest or index == 0)
    last = min(index for index, level in enumerate(levels) if level >= highest or index == len(levels) - 1)
    return levels[first : last + 1]


def membership(radius: Tensor, levels: list[float], index: int) -> Tensor:
    """(H, W) how much of each pixel belongs to a layer, linear between the two layers next to its own blur."""
    share = torch.ones_like(radius)
    if index:
        share = share.minimum((radius - levels[index - 1]) / (levels[index] - levels[index - 1]))
    if index + 1 < len(levels):
        share = share.minimum((levels[index + 1] - radius) / (levels[index + 1] - levels[index]))
    return share.clamp(0, 1)


def disc_blur(planes: Tensor, radius: float) -> Tensor:
    """(C, H, W) averaged over a disc; beyond the border is nothing."""
    if radius < 0.25:
        return planes
    height, width = planes.shape[1:]
    factor = 2 ** max(0, math.ceil(math.log2(radius / FULL)))
    low = torch.nn.functional.pad(planes, (0, -width % factor, 0, -height % factor))
    low = torch.nn.functional.avg_pool2d(low[None], factor) if factor > 1 else low[None]
    reach = math.ceil(radius / factor)
    across = torch.arange(-reach, reach + 1, dtype=torch.float32, device=planes.device)
    disc = (radius / factor + 0.5 - torch.hypot(across[:, None], across[None])).clamp(0, 1)
    weight = (disc / disc.sum()).expand(len(planes), 1, -1, -1)
    low = torch.nn.functional.conv2d(low, weight, padding=reach, groups=len(planes))
    if factor > 1:
        low = torch.nn.functional.interpolate(low, scale_factor=factor, mode="bilinear", align_corners=False)
    return low[0, :, :height, :width]
