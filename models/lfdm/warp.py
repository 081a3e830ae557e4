"""Fetching a picture through an absolute sampling grid, and blending by an occlusion map.

A grid is (B, h, w, 2), the last axis (x, y) in parts of the picture: its own points are laid out from -1 to 1 on the
first and the last pixel, but it is read with -1 and 1 on the borders of the picture. So this grid of
points does not leave a picture quite unchanged; the released weights were trained with it.
Letters: B pictures, C channels, H and W pixels, h and w of the grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def coordinate_grid(height: int, width: int, like: Tensor) -> Tensor:
    """(h, w, 2): the position of every point when nothing moves."""
    axis = lambda size: torch.linspace(-1, 1, size, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(axis(height), axis(width), indexing="ij")
    return torch.stack((x, y), -1)


def fetch(x: Tensor, grid: Tensor) -> Tensor:
    """(B, C, H, W) pictures read at a grid of any size: (B, C, h, w), 0 outside the picture."""
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def resized(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """A grid (B, h, w, 2) of another size."""
    if tuple(grid.shape[1:3]) == tuple(size):
        return grid
    grid = F.interpolate(grid.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False)
    return grid.permute(0, 2, 3, 1)


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """(B, C, H, W) pictures moved by a grid (B, h, w, 2), which is resized to them."""
    return fetch(x, resized(grid, x.shape[-2:]))


class Motion:
    """A grid and its occlusion (B, 1, h, w): 1 shows the moved picture, 0 what is generated. Each size is computed once."""

    def __init__(self, grid: Tensor, occlusion: Tensor):
        self.grid, self.occlusion, self.sizes = grid, occlusion, {}

    def at(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Grid and occlusion for a picture of that size."""
        size = tuple(size)
        if size not in self.sizes:
            occlusion = self.occlusion
            if tuple(occlusion.shape[-2:]) != size:
                occlusion = F.interpolate(occlusion, size=size, mode="bilinear", align_corners=False)
            self.sizes[size] = resized(self.grid, size), occlusion
        return self.sizes[size]

    def warp_visible(self, x: Tensor) -> Tensor:
        """(1 or B, C, H, W) moved, and 0 where it is hidden."""
        grid, occlusion = self.at(x.shape[-2:])
        return fetch(x.expand(len(grid), -1, -1, -1), grid) * occlusion

    def blend(self, x: Tensor, generated: Tensor) -> Tensor:
        """The visible part of x after the motion, and `generated` where it is hidden."""
        return self.warp_visible(x) + generated * (1 - self.at(x.shape[-2:])[1])
