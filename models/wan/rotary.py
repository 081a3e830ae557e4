"""Rotary positions of tokens on a grid of frames, rows and columns, as in Wan.

Letters: f y x tokens of the grid, n heads, d features of a head.
"""

import torch
from torch import Tensor

BASE = 10000.0


def rotary_table(grid: tuple[int, int, int], d: int, device=None) -> Tensor:
    """(f y x, d / 2, 2) cosine and sine of each token's angles: a third of the features for each axis, the rest for time."""
    side = 2 * (d // 6)
    angles = []
    for length, width, axis in zip(grid, (d - 2 * side, side, side), range(3), strict=True):
        rates = BASE ** (-torch.arange(0, width, 2, dtype=torch.float64, device=device) / width)
        along = torch.arange(length, dtype=torch.float64, device=device)[:, None] * rates
        shape = [1, 1, 1, len(rates)]
        shape[axis] = length
        angles.append(along.view(shape).expand(*grid, -1))
    angles = torch.cat(angles, -1).flatten(0, 2)
    return torch.stack((angles.cos(), angles.sin()), -1).float()


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """(B, L, n, d) features, each pair of neighbours turned by its token's angle."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = table[:, None].unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).type_as(x)
