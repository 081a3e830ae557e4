"""Depth as a colour picture and back.

`hot` is matplotlib's formula, `spectral` (ColorBrewer) and `coolwarm` (Kenneth Moreland) are lines between published
colours; the other coloured maps are OpenCV's tables. All but hot are read as 256 colours with straight lines between them.
Decoding finds the nearest point of that polyline, not the nearest entry. Where a map has a warm end, 1 is warm.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..choices import COLOUR_MAPS
from ..opencv import import_cv2

ENTRIES = 1021  # 4 * 255 + 1: every colour of a 256-entry table is also an entry here
CELLS = 32  # per channel, in the volume that gives the search its start
PUBLISHED = {  # evenly spaced, from far to near, 0 to 255
    "spectral": (
        *((94, 79, 162), (50, 136, 189), (102, 194, 165), (171, 221, 164), (230, 245, 152), (255, 255, 191)),
        *((254, 224, 139), (253, 174, 97), (244, 109, 67), (213, 62, 79), (158, 1, 66)),
    ),
    "coolwarm": (
        *(
            (59, 76, 192),
            (68, 90, 204),
            (77, 104, 215),
            (87, 117, 225),
            (98, 130, 234),
            (108, 142, 241),
            (119, 154, 247),
        ),
        *((130, 165, 251), (141, 176, 254), (152, 185, 255), (163, 194, 255), (174, 201, 253), (184, 208, 249)),
        *((194, 213, 244), (204, 217, 238), (213, 219, 230), (221, 221, 221), (229, 216, 209), (236, 211, 197)),
        *((241, 204, 185), (245, 196, 173), (247, 187, 160), (247, 177, 148), (247, 166, 135), (244, 154, 123)),
        *((241, 141, 111), (236, 127, 99), (229, 112, 88), (222, 96, 77), (213, 80, 66), (203, 62, 56), (192, 40, 47)),
        (180, 4, 38),
    ),
}
TURNS = {"spectral": ENTRIES // 2}  # where a map turns back, so that two of its pieces lie beside each other
CHUNK = 1 << 15  # pixels; torch runs an operation of this size on one thread, and its temporaries stay in the cache


def encode(depth: Tensor, name: str = "hot") -> Tensor:
    """(...) depth in [0, 1] to (..., 3) colours."""
    depth = depth.float().clamp(0, 1)
    if check(name) == "grey":
        return depth[..., None].repeat(*depth.ndim * [1], 3)
    if name == "hot":
        red = 0.0416 + depth * ((1 - 0.0416) / 0.365079)
        green = (depth - 0.365079) / (0.746032 - 0.365079)
        blue = (depth - 0.746032) / (1 - 0.746032)
        return torch.stack((red, green, blue), -1).clamp_(0, 1)
    colours = colours_of(name).to(depth.device)
    place = depth * 255
    below = place.long().clamp_(max=254)
    return torch.lerp(colours[below], colours[below + 1], (place - below)[..., None])


def decode(colours: Tensor, name: str = "hot") -> Tensor:
    """(..., 3) colours to the (...) depth whose colour is nearest."""
    if check(name) == "grey":
        return colours.float().mean(-1).clamp(0, 1)
    table, starts = table_of(name).to(colours.device), volume_of(name).to(colours.device)

    def depth_of(pixels: Tensor) -> Tensor:
        pixels = pixels.float().clamp(0, 1).T.contiguous()
        return project(pixels, table, nearest_entry(pixels, table, starts))

    # Threads over chunks instead of inside each small operation: on a busy machine the latter wait for each other.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        depths = list(threads.map(depth_of, colours.detach().reshape(-1, 3).split(CHUNK)))
    return torch.cat(depths).reshape(colours.shape[:-1])


def check(name: str) -> str:
    if name not in COLOUR_MAPS:
        raise ValueError(f"Expected a colour map out of {', '.join(COLOUR_MAPS)}, got {name!r}: choose one of these.")
    return name


@cache
def colours_of(name: str) -> Tensor:
    """(256, 3) colours of evenly spaced depths."""
    if name not in PUBLISHED:
        return opencv_table(name).flip(0) if name == "rainbow" else opencv_table(name)
    colours = torch.tensor(PUBLISHED[name]).T[None] / 255
    return torch.nn.functional.interpolate(colours, size=256, mode="linear", align_corners=True)[0].T.contiguous()


def opencv_table(name: str) -> Tensor:
    """(256, 3) colours of one of OpenCV's maps."""
    cv2 = import_cv2()
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    table = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))[:, 0, ::-1].astype(np.float32) / 255
    for _ in range(0 if name == "jet" else 2):
        # These are curves rounded to bytes; viridis even repeats colours, which have no inverse. Smoothing by less
        # than one byte undoes the rounding. Jet is made of straight lines and stays.
        table[1:-1] = (table[:-2] + 2 * table[1:-1] + table[2:]) / 4
    return torch.from_numpy(table)


@cache
def table_of(name: str) -> Tensor:
    """(3, ENTRIES) colours of evenly spaced depths."""
    return encode(torch.linspace(0, 1, ENTRIES), name).T.contiguous()


@cache
def volume_of(name: str) -> Tensor:
    """(S, CELLS ** 3) the entries to begin from in each cell of the colour cube: the nearest to its middle, of a map that
    turns back on itself also the nearest of its other side."""
    middle = (torch.arange(CELLS) + 0.5) / CELLS
    table, entries = table_of(name), torch.arange(ENTRIES)
    planes = []
    for red in middle:
        cells = torch.cartesian_prod(red[None], middle, middle)
        far = table.square().sum(0) - 2 * cells @ table
        first = far.argmin(1)
        sides = [first]
        if name in TURNS:
            same = (entries < TURNS[name]) == (first < TURNS[name])[:, None]
            sides.append(far.masked_fill(same, torch.inf).argmin(1))
        planes.append(torch.stack(sides).int())
    return torch.cat(planes, 1)


def nearest_entry(pixels: Tensor, table: Tensor, starts: Tensor) -> Tensor:
    """(3, K) colours to the (K,) nearest entries, from each start of the colour's cell."""
    red, green, blue = (pixels * CELLS).int().clamp_(max=CELLS - 1)
    cell = (red * CELLS + green) * CELLS + blue
    entry, best = descend(pixels, table, starts[0][cell])
    for more in starts[1:]:
        other, far = descend(pixels, table, more[cell])
        entry = torch.where(far < best, other, entry)
    return entry


def descend(pixels: Tensor, table: Tensor, entry: Tensor) -> tuple[Tensor, Tensor]:
    """(K,) entries downhill along the table in halving strides, and their squared distances to (3, K) colours."""
    best = distance(pixels, table, entry)
    for stride in (32, 16, 8, 4, 2, 1):
        here = entry
        for step in (-stride, stride):
            other = (here + step).clamp_(0, ENTRIES - 1)
            far = distance(pixels, table, other)
            entry = torch.where(far < best, other, entry)
            best = torch.minimum(best, far)
    return entry, best


def distance(pixels: Tensor, table: Tensor, entry: Tensor) -> Tensor:
    """(K,) squared distances between colours and entries."""
    total = (table[0][entry] - pixels[0]).square_()
    for channel in (1, 2):
        total += (table[channel][entry] - pixels[channel]).square_()
    return total


def project(pixels: Tensor, table: Tensor, entry: Tensor) -> Tensor:
    """(K,) depths of the nearest points on the two pieces before and the two after each entry."""
    depth, best = torch.zeros_like(pixels[0]), torch.full_like(pixels[0], torch.inf)
    for step in (-2, -1, 0, 1):
        begin = (entry + step).clamp_(0, ENTRIES - 2)
        offset = [pixels[channel] - table[channel][begin] for channel in range(3)]
        piece = [table[channel][begin + 1] - table[channel][begin] for channel in range(3)]
        share = sum(o * p for o, p in zip(offset, piece, strict=True))
        share = (share / sum(p * p for p in piece).clamp_min_(1e-12)).clamp_(0, 1)
        far = sum((o - share * p).square_() for o, p in zip(offset, piece, strict=True))
        depth = torch.where(far < best, begin + share, depth)
        best = torch.minimum(best, far)
    return depth / (ENTRIES - 1)
