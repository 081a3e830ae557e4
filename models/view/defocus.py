"""Depth of field: a picture blurred by its distances, as a lens with an opening does it.

The picture is cut into layers by how much they are out of focus; each is blurred as a whole, with how much of each pixel
it covers, and what lies behind is laid under what lies in front. A picture is worked on in blocks: most layers have nothing
in most of them. Letters: H and W pixels, h and w of a block with what counts around it, L layers.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from ..srgb import to_linear, to_srgb
from .surface import nearness_of
from .threads import in_threads, small_bands

BLOCK = 160  # pixels a side of what is blurred at a time
WIDE = 4  # a block is at least so many times as large as the largest blur: what counts around it is computed too
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
    levels = layer_radii(radius)
    light, places = linear_planes(picture), layer_places(radius, levels).cpu().numpy()
    out = np.empty_like(light)

    def blur(block: tuple[slice, slice]) -> None:
        out[(..., *block)] = blurred_block(light, places, levels, block)

    in_threads(blur, blocks(*radius.shape, max(BLOCK, math.ceil(WIDE * radius.abs().max().item()))))
    return as_picture(torch.from_numpy(out)).to(picture.device)


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


def layer_places(radius: Tensor, levels: list[float]) -> Tensor:
    """(H, W) the layer of each pixel: 1.25 is layer 1 with a quarter of layer 2."""
    if len(levels) < 2:
        return torch.zeros_like(radius)
    known = torch.tensor(levels, device=radius.device)
    above = torch.bucketize(radius, known).clamp_(1, len(levels) - 1)
    low, high = known[above - 1], known[above]
    return ((radius - low) / (high - low)).clamp_(0, 1).add_(above - 1)


def membership(places: np.ndarray, index: int) -> np.ndarray:
    """How much of each pixel belongs to a layer, linear between the two layers next to its own blur."""
    share = np.abs(places - np.float32(index))
    return np.maximum(np.subtract(1, share, out=share), 0, out=share)


def linear_planes(picture: Tensor) -> np.ndarray:
    """A picture (H, W, 3) as light (3, H, W)."""
    light = torch.empty(picture.shape[-1], *picture.shape[:2])
    for rows in small_bands(*picture.shape[:2], picture.device):
        light[:, rows] = to_linear(picture[rows].float().clamp(0, 1)).movedim(-1, 0)
    return light.numpy()


def as_picture(light: Tensor) -> Tensor:
    """Light (3, H, W) as a picture (H, W, 3)."""
    picture = torch.empty(*light.shape[1:], len(light))
    for rows in small_bands(*light.shape[1:], light.device):
        picture[rows] = to_srgb(light[:, rows].movedim(0, -1)).clamp(0, 1)
    return picture


def blocks(height: int, width: int, side: int) -> list[tuple[slice, slice]]:
    """The rows and columns of parts of a picture."""
    parts = lambda length: [slice(begin, min(begin + side, length)) for begin in range(0, length, side)]
    return [(rows, columns) for rows in parts(height) for columns in parts(width)]


def blurred_block(light: np.ndarray, places: np.ndarray, levels: list[float], block: tuple[slice, slice]) -> np.ndarray:
    """The blurred light (3, h, w) of one block."""
    size = tuple(part.stop - part.start for part in block)
    total, hidden, last = np.zeros((4, *size), np.float32), np.zeros(size, np.float32), np.zeros(size, np.float32)
    around = places[window(block, places.shape, max(map(abs, levels)))[0]]
    for index in range(int(around.min()), math.ceil(around.max()) + 1):  # the nearest first
        layer = blurred_layer(light, places, index, levels[index], block)
        if layer is not None:
            total += layer * np.maximum(1 - hidden, 0)
        # A surface that spans two neighbouring layers does not hide itself: a layer hides what is two and more behind it.
        hidden += last
        last = 0.0 if layer is None else layer[3]
    return total[:3] / np.maximum(total[3], 1e-4)


def blurred_layer(
    light: np.ndarray, places: np.ndarray, index: int, level: float, block: tuple[slice, slice]
) -> np.ndarray | None:
    """Light and how much it covers (4, h, w) of one layer in a block, blurred; None where the layer has nothing near."""
    around, inner = window(block, places.shape, abs(level))
    share = membership(places[around], index)
    if not share.max() > 0:
        return None
    planes = np.empty((4, *share.shape), np.float32)
    np.multiply(light[(..., *around)], share, out=planes[:3])
    planes[3] = share
    return disc_blur(planes, abs(level))[(..., *inner)]


def window(
    block: tuple[slice, slice], size: tuple[int, int], radius: float
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """A block with what a blur brings into it, in whole pixels of the smaller picture, and where it lies in that."""
    factor = smaller_by(radius)
    reach = math.ceil(radius / factor)
    margin = reach if factor == 1 else (reach + 1) * factor
    around = [
        slice(max(0, part.start - margin) // factor * factor, min(length, -(-(part.stop + margin) // factor) * factor))
        for part, length in zip(block, size, strict=True)
    ]
    inner = [slice(part.start - wide.start, part.stop - wide.start) for part, wide in zip(block, around, strict=True)]
    return tuple(around), tuple(inner)


def disc_blur(planes: np.ndarray, radius: float) -> np.ndarray:
    """(C, h, w) averaged over a disc; beyond the border is nothing."""
    kernel, factor = disc(radius)
    if kernel.size == 1:
        return planes
    cv2, (height, width) = import_cv2(), planes.shape[1:]
    wide, tall = -(-width // factor), -(-height // factor)
    out = np.empty_like(planes)
    for plane, blurred in zip(planes, out, strict=True):
        if factor == 1:
            cv2.filter2D(plane, -1, kernel, blurred, borderType=cv2.BORDER_CONSTANT)
            continue
        low = np.pad(plane, ((0, tall * factor - height), (0, wide * factor - width)))
        low = cv2.resize(low, (wide, tall), interpolation=cv2.INTER_AREA)
        low = cv2.filter2D(low, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        high = cv2.resize(low, (wide * factor, tall * factor), interpolation=cv2.INTER_LINEAR)
        blurred[:] = high[:height, :width]
    return out


@cache
def disc(radius: float) -> tuple[np.ndarray, int]:
    """The weights of a disc, and by how much smaller the picture is in which it is used."""
    factor = smaller_by(radius)
    reach = math.ceil(radius / factor)
    across = np.arange(-reach, reach + 1, dtype=np.float32)
    weight = (radius / factor + 0.5 - np.hypot(across[:, None], across)).clip(0, 1)
    if radius <= 0.5:
        weight = weight[reach : reach + 1, reach : reach + 1]  # the pixel itself
    return (weight / weight.sum()).astype(np.float32), factor


def smaller_by(radius: float) -> int:
    """How many pixels a side become one where a blur of this radius is computed."""
    return 2 ** max(0, math.ceil(math.log2(radius / FULL))) if radius > 0 else 1
