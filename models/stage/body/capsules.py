"""A z-buffer for tapered capsules (the hull of two spheres), exact along each pixel's ray.

Letters: F frames, K capsules, L layers, N fragments (a capsule tried at a pixel), M hits (the nearest of them).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...view.camera import Camera

BLOCK = 1 << 16  # fragments tried together, so that the forty short steps of a ray stay in the cache


@dataclass(frozen=True)
class Capsules:
    """K tapered capsules per frame, in camera space."""

    start: Tensor  # (F, K, 3)
    end: Tensor  # (F, K, 3)
    start_radius: Tensor  # (K,)
    end_radius: Tensor  # (K,)
    layer: Tensor  # (K,) int64; capsules hide each other within a layer only


@dataclass(frozen=True)
class Hits:
    """The visible surface point at each covered pixel of each layer."""

    cell: Tensor  # (M,) index into (L, F, H, W)
    frame: Tensor  # (M,)
    capsule: Tensor  # (M,)
    depth: Tensor  # (M,) along the camera's axis, metres
    along: Tensor  # (M,) 0 at the capsule's start, 1 at its end
    normal: Tensor  # (M, 3) unit, camera space
    shape: tuple[int, int, int, int]  # L, F, H, W

    @property
    def layer(self) -> Tensor:
        return torch.div(self.cell, self._plane, rounding_mode="floor")

    @property
    def pixel(self) -> Tensor:
        """(M,) index into (F, H, W)."""
        return self.cell % self._plane

    @property
    def _plane(self) -> int:
        return self.shape[1] * self.shape[2] * self.shape[3]


def z_buffer(capsules: Capsules, camera: Camera, layers: int) -> Hits:
    """Find the nearest capsule at every pixel of every layer."""
    frames, count = capsules.start.shape[:2]
    owner, column, row = fragments(capsules, camera)
    blocks = zip(*(part.split(BLOCK) for part in (owner, column, row)), strict=True)
    depth = torch.cat([ray_depth(capsules, camera, *block) for block in blocks])
    hit = torch.isfinite(depth).nonzero()[:, 0]
    owner, column, row, depth = owner[hit], column[hit], row[hit], depth[hit]
    frame = torch.div(owner, count, rounding_mode="floor")
    layer = capsules.layer[owner - frame * count]
    cell = ((layer * frames + frame) * camera.height + row) * camera.width + column
    # The bits of a positive float order like integers, so one minimum finds both the depth and whose it is.
    key = depth.view(torch.int32).to(torch.int64) << 32 | torch.arange(hit.numel(), device=hit.device)
    far = torch.iinfo(torch.int64).max
    shape = (layers, frames, camera.height, camera.width)
    nearest = torch.full((math.prod(shape),), far, device=key.device, dtype=torch.int64)
    nearest.scatter_reduce_(0, cell, key, "amin")
    cell = (nearest != far).nonzero()[:, 0]
    win = nearest[cell] & 0xFFFFFFFF
    owner, frame, depth = owner[win], frame[win], depth[win]
    along, normal = surface(capsules, camera, owner, column[win], row[win], depth)
    return Hits(cell, frame, owner - frame * count, depth, along, normal, shape)


def fragments(capsules: Capsules, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Every pixel that a capsule may cover: owner index into (F, K), column and row, each (N,)."""
    low_x, high_x, low_y, high_y = screen_boxes(capsules, camera)
    widths = (high_x - low_x + 1).clamp_min(0)
    sizes = (widths * (high_y - low_y + 1).clamp_min(0)).flatten()
    owner = torch.repeat_interleave(sizes)
    first = sizes.cumsum(0) - sizes
    offset = torch.arange(owner.numel(), device=owner.device) - first[owner]
    width = widths.flatten()[owner]
    line = torch.div(offset, width, rounding_mode="floor")
    return owner, low_x.flatten()[owner] + offset - line * width, low_y.flatten()[owner] + line


def screen_boxes(capsules: Capsules, camera: Camera) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixel bounds of each capsule, each (F, K), safe for perspective; empty behind the camera."""
    near = 0.05
    bounds = []
    for axis, size, middle in ((0, camera.width, camera.centre[0]), (1, camera.height, camera.centre[1])):
        lows, highs = [], []
        for point, radius in ((capsules.start, capsules.start_radius), (capsules.end, capsules.end_radius)):
            front, back = (point[..., 2] - radius).clamp_min(near), (point[..., 2] + radius).clamp_min(near)
            low, high = point[..., axis] - radius, point[..., axis] + radius
            lows.append(torch.minimum(low / front, low / back))
            highs.append(torch.maximum(high / front, high / back))
        low = torch.minimum(*lows).mul(camera.focal).add(middle).clamp(-1, size)
        high = torch.maximum(*highs).mul(camera.focal).add(middle).clamp(-1, size)
        bounds += [low.ceil().long().clamp_min(0), high.floor().long().clamp_max(size - 1)]
    behind = torch.minimum(capsules.start[..., 2], capsules.end[..., 2]) < near
    return bounds[0], torch.where(behind, -1, bounds[1]), bounds[2], torch.where(behind, -1, bounds[3])


def directions(camera: Camera, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of each fragment's ray; z is 1, so that the ray's parameter is metric depth."""
    cx, cy = camera.centre
    return (column - cx) / camera.focal, (row - cy) / camera.focal


def ray_depth(capsules: Capsules, camera: Camera, owner: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """(N,) depth at which each fragment's ray enters its capsule, infinite where it misses.

    The hull of two spheres is entered through the start sphere, the side or the end sphere, whichever comes first.
    Each is solved from the ray's point nearest to its own centre, which keeps single precision near a micrometre.
    """
    dx, dy = directions(camera, column, row)
    dd = dx * dx + dy * dy + 1
    axis = capsules.end - capsules.start
    taper = capsules.start_radius - capsules.end_radius
    take = lambda values: values.expand(axis.shape[:2]).reshape(-1)[owner]
    ax, ay, az = (take(capsules.start[..., i]) for i in range(3))
    bx, by, bz = (take(axis[..., i]) for i in range(3))
    ra, rr = take(capsules.start_radius), take(taper)
    slant = take((axis * axis).sum(-1) - taper * taper)  # squared length of the side line from sphere to sphere
    miss = torch.full_like(dd, torch.inf)

    base = (dx * ax + dy * ay + az) / dd
    wx, wy, wz = base * dx - ax, base * dy - ay, base - az
    inside = ra * ra - (wx * wx + wy * wy + wz * wz)
    start = torch.where(inside >= 0, -(inside.clamp_min(0) / dd).sqrt(), miss)

    toward = bx * dx + by * dy + bz
    level = bx * wx + by * wy + bz * wz - ra * rr
    square = slant * dd - toward * toward
    root = slant * (dd * level * level + inside * square)
    side = (toward * level - root.clamp_min(0).sqrt()) / square
    place = level + side * toward
    on_side = (square > 1e-9) & (root >= 0) & (place > 0) & (place < slant)
    side = torch.where(on_side, side, miss)

    shift = toward / dd
    vx, vy, vz = wx + shift * dx - bx, wy + shift * dy - by, wz + shift - bz
    inside = (ra - rr).square() - (vx * vx + vy * vy + vz * vz)
    end = torch.where(inside >= 0, shift - (inside.clamp_min(0) / dd).sqrt(), miss)

    depth = base + torch.minimum(torch.minimum(start, end), side)
    return torch.where(depth > 0, depth, miss)


def surface(capsules: Capsules, camera: Camera, owner: Tensor, column: Tensor, row: Tensor, depth: Tensor):
    """Place along the axis (M,) and outward unit normal (M, 3) where rays meet their capsules."""
    dx, dy = directions(camera, column, row)
    count = capsules.start.shape[1]
    start = capsules.start.reshape(-1, 3)[owner]
    axis = capsules.end.reshape(-1, 3)[owner] - start
    radius = capsules.start_radius[owner % count]
    taper = radius - capsules.end_radius[owner % count]
    point = torch.stack((dx * depth, dy * depth, depth), -1) - start
    slant = (axis * axis).sum(-1) - taper * taper
    along = (((axis * point).sum(-1) - radius * taper) / slant.clamp_min(1e-9)).clamp(0, 1)
    along = torch.where(slant > 0, along, (taper < 0).to(along))  # one sphere holds the other: the larger is visible
    return along, torch.nn.functional.normalize(point - along[:, None] * axis, dim=-1)
