"""A frame's distances as points in space, and as a surface that is cut where the depth jumps.

Letters: H and W pixels, K points, T triangles, h and w the grid of every `step`-th pixel.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..view.camera import Camera


@dataclass(frozen=True)
class Surface:
    """One frame in space; without triangles it is a cloud of points."""

    points: Tensor  # (K, 3) metres in the world
    triangles: Tensor  # (T, 3) points, counter-clockwise as the camera sees them
    pixels: Tensor  # (K,) the pixel of each point, counted along the rows
    depth: Tensor  # (K,) metres along the optical axis


def point_cloud(depth: Tensor, camera: Camera, step: int = 1) -> Surface:
    """(H, W) metres, NaN where nothing is, as the points of every `step`-th row and column; `camera` has one frame."""
    pixels = grid(depth, step).reshape(-1)
    pixels = pixels[torch.isfinite(depth.reshape(-1)[pixels])]
    return placed(depth, camera, pixels, torch.empty(0, 3, dtype=torch.long))


def surface(depth: Tensor, camera: Camera, step: int = 1, jump: float = 0.05) -> Surface:
    """Triangles between the points of point_cloud(); none reaches over pixels whose depths differ by more than `jump`."""
    pixels = grid(depth, step)
    numbers = torch.arange(pixels.numel()).reshape(pixels.shape)
    left, right = numbers[:, :-1], numbers[:, 1:]
    triangles = torch.cat(
        [
            torch.stack(corners, -1).reshape(-1, 3)
            for corners in ((left[:-1], left[1:], right[:-1]), (right[:-1], left[1:], right[1:]))
        ]
    )
    if step == 1:
        keep = even(depth.reshape(-1)[triangles], jump)
    else:
        keep = uncut(depth, step, jump).reshape(-1).repeat(2)
    return connected(depth, camera, pixels.reshape(-1), triangles[keep])


def grid(depth: Tensor, step: int) -> Tensor:
    """(h, w) numbers of every `step`-th pixel of (H, W)."""
    return torch.arange(depth.numel()).reshape(depth.shape)[::step, ::step]


def even(corners: Tensor, jump: float) -> Tensor:
    """(T, 3) depths of triangles to (T,) bool: all are known and none is farther than another by more than `jump`."""
    return corners.amax(-1) <= (1 + jump) * corners.amin(-1)  # NaN compares as false


def uncut(depth: Tensor, step: int, jump: float) -> Tensor:
    """(H, W) to (h - 1, w - 1) bool: between no two neighbouring pixels of a grid cell is a jump or something unknown."""
    cells = (depth.shape[0] - 1) // step, (depth.shape[1] - 1) // step
    cut = torch.zeros(cells, dtype=torch.bool)
    if 0 in cells:
        return ~cut
    for axis, kernel in ((0, (step, step + 1)), (1, (step + 1, step))):
        pairs = torch.stack(
            (depth.narrow(axis, 0, depth.shape[axis] - 1), depth.narrow(axis, 1, depth.shape[axis] - 1)), -1
        )
        cut |= max_pool2d((~even(pairs, jump)).float()[None], kernel, stride=step)[0] > 0
    return ~cut


def connected(depth: Tensor, camera: Camera, pixels: Tensor, triangles: Tensor) -> Surface:
    """The points that triangles use, numbered in their order."""
    used = torch.zeros(len(pixels), dtype=torch.bool)
    used[triangles.reshape(-1)] = True
    numbers = used.cumsum(0) - 1
    return placed(depth, camera, pixels[used], numbers[triangles])


def placed(depth: Tensor, camera: Camera, pixels: Tensor, triangles: Tensor) -> Surface:
    """The surface whose points lie on the rays of these pixels."""
    metres = depth.reshape(-1)[pixels].float()
    rays = camera.rays().reshape(-1, 3)[pixels] * metres[:, None]
    return Surface(rays @ camera.rotation[0] + camera.position[0], triangles, pixels, metres)
