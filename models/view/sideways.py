"""A picture with its depth, as a camera beside its own sees it: a second eye, or a camera on a track.

Every point stays in its row and at its distance. So a piece of a picture (reproject.py) covers a part of its own row, and
rows are worked on by themselves. Letters: H and W pixels, R rows of a band, C channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .lens import Pinhole
from .pieces import NOTHING, OVERLAP, SIDEWAYS, WIDEST, View, reach
from .surface import JUMP, joined, nearness_of
from .threads import in_threads, small_bands

ROUNDS = 2  # pixels of a piece that are tried for all pieces alike; the rest only for those that reach so far


@dataclass(frozen=True)
class Band:
    """Where the pixels of some rows land: (R, W) each."""

    nearness: Tensor  # 1 / distance
    joined: Tensor  # bool: on one surface with the pixel to the right
    x: Tensor  # column of the middle
    stretch: Tensor  # pixels of the new picture by one of the old


def visible_sideways(picture: Tensor, depth: Tensor, lens: Pinhole) -> View:
    """A picture (H, W, C) with distances (H, W), NaN where not known, by a lens that moves points along their rows."""
    view = View(
        torch.empty_like(picture, dtype=torch.float32, memory_format=torch.contiguous_format),
        torch.empty(depth.shape, device=picture.device),
        torch.empty(depth.shape, device=picture.device, dtype=torch.bool),
    )

    def draw(rows: slice) -> None:
        band = place(nearness_of(depth[rows]), lens)
        won = nearest(band)
        holes = torch.eq(won, NOTHING, out=view.holes[rows])
        pixel, part = sources(band, (won & 0xFFFFFFFF).masked_fill_(holes, 0))
        at = lambda plane: torch.lerp(plane.gather(1, pixel), plane.gather(1, pixel + 1), part)
        view.depth[rows] = at(band.nearness.nan_to_num(0.0)).reciprocal_().masked_fill_(holes, torch.nan)
        for channel in range(picture.shape[-1]):
            view.picture[rows, :, channel] = at(picture[rows, :, channel].float()).masked_fill_(holes, 0.0)

    in_threads(draw, small_bands(*depth.shape, depth.device))
    return view


def place(nearness: Tensor, lens: Pinhole) -> Band:
    """Where pixels land, and how wide the pieces around them become."""
    x = torch.arange(nearness.shape[1], device=nearness.device) + lens.turn[0, 2].item()
    x = torch.add(x, nearness, alpha=lens.shift[0].item())
    right = joined(nearness, 1, JUMP)
    sides, stretch = right.float(), torch.zeros_like(x)
    sides[:, 1:] += right[:, :-1]
    step = torch.diff(x, dim=1).masked_fill_(~right[:, :-1], 0.0)
    stretch[:, :-1] = step
    stretch[:, 1:] += step
    # A piece without neighbours faces the camera; one of negative width is seen from behind.
    stretch.div_(sides).masked_fill_(sides == 0, 1.0)
    return Band(nearness, right, x, stretch.masked_fill_(stretch <= SIDEWAYS, torch.nan))


def nearest(band: Band) -> Tensor:
    """(R, W) the piece that is nearest at each new pixel: bits of its distance, then its column; NOTHING where none is."""
    rows, width = band.x.shape
    half = reach(band.joined, 1).mul_(band.stretch)
    # What lands outside is left out; far out, floats do not count pixels any more.
    outside = (band.x + half < 0) | (band.x - half > width - 1)
    half.masked_fill_((half > WIDEST / 2) | outside, torch.nan)
    cell, last = (band.x - half).ceil_(), (band.x + half).floor_()
    # Bits of positive floats are in the order of the floats.
    key = band.nearness.reciprocal().view(torch.int32).long().mul_(1 << 32)
    key += torch.arange(width, device=key.device)
    best = torch.full((rows, width + 2), NOTHING, device=key.device)  # a column on each side takes what lands outside
    for _ in range(ROUNDS):
        to = cell.where(cell <= last, -1.0).clamp_(-1, width).add_(1).long()
        best.scatter_reduce_(1, to, key, "amin")
        cell.add_(1)
    row, column = (cell <= last).nonzero(as_tuple=True)
    cell, last, key = cell[row, column], last[row, column], key[row, column]
    while len(row):
        to = row * (width + 2) + cell.clamp(-1, width).long() + 1
        best.view(-1).scatter_reduce_(0, to, key, "amin")
        cell.add_(1)
        left = cell <= last
        row, cell, last, key = row[left], cell[left], last[left], key[left]
    return best[:, 1:-1]


def sources(band: Band, column: Tensor) -> tuple[Tensor, Tensor]:
    """Between which pixels of the old row the middles of new pixels lie, none beyond the edge of its surface.

    `column` (R, W) is the pixel whose piece is nearest; the result is the left one of two pixels and the part of the way.
    """
    width = column.shape[1]
    middle = torch.arange(width, device=column.device, dtype=torch.float32)
    off = (middle - band.x.gather(1, column)).div_(band.stretch.gather(1, column)).nan_to_num_(0.0)
    within = 0.5 + OVERLAP
    off.clamp_(-within, within)
    left = (column - (off < 0).long()).clamp_(0, width - 2)
    off.mul_(band.joined.gather(1, left))
    return left, off.add_(column - left).clamp_(0, 1)
