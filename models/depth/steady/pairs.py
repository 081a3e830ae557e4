"""What two frames of a clip say about each other's scale and shift of depth: a robust line, kept as a few numbers.

Depth here is inverse depth in the units of its frame, NaN where it is not known. Letters: h and w pixels, K points.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .approach import Approach, approach, tukey

POINTS = 4096  # of a pair at most, evenly over the picture
FEWEST = 60  # points that a line needs
BLUR = 5  # pixels a side that depth is averaged over: what remains is less noise, and a still point stays where it is
ROUNDS = 12
OUTLIER = 4.0  # deviations beyond which a point moves on its own
KEPT = 64  # still points of a pair that flicker is measured at
ALIKE = 0.25  # the least r squared of two frames whose depth shows the same


@dataclass(frozen=True)
class Pair:
    """Frames `first` and `second`, both seen at the same still points."""

    first: int
    second: int
    mean: Tensor  # (3,) of depth of the first times growth, of growth, of depth of the second
    covariance: Tensor  # (3, 3) of the same
    count: float  # points that count, those that are alike as one
    noise: float  # deviation of the second frame's depth from the line
    approach: Approach
    still: Tensor  # (k, 5) some still points: x and y in both frames as parts of the picture's size, and their growth


def measure(first: int, second: int, before: Tensor, after: Tensor, flow: tuple[Tensor, Tensor], focal: float):
    """The Pair of two depths (h, w) along a flow, or None where they have too little in common."""
    offset, trusted = flow
    height, width = before.shape
    place = torch.nonzero(trusted & torch.isfinite(before))
    place = place[torch.linspace(0, len(place) - 1, min(POINTS, len(place))).long()] if len(place) else place
    row, column = place.unbind(1)
    here = place.flip(1).float()
    there = here + offset[row, column]
    near, far = before[row, column], read(after, there)
    known = torch.isfinite(far)
    if known.sum() < FEWEST:
        return None
    here, there, near, far = here[known], there[known], near[known].double(), far[known].double()
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    ray = lambda point: F.pad((point - centre) / focal, (0, 1), value=1.0)
    if near.std() <= 1e-9 * near.abs().max() or far.std() <= 1e-9 * far.abs().max():
        return None
    moved = approach(ray(here), ray(there), near)
    found = line(near, far, moved.growth)
    if found is None:
        return None
    weight, mean, covariance, noise = found
    still = weight > 0.5
    size = torch.tensor([width, height])
    samples = torch.cat(((here + 0.5) / size, (there + 0.5) / size, moved.growth[:, None].float()), 1)[still]
    samples = samples[torch.linspace(0, len(samples) - 1, min(KEPT, len(samples))).long()]
    return Pair(first, second, mean, covariance, weight.sum().item() / BLUR**2, noise, moved, samples)


def line(near: Tensor, far: Tensor, growth: Tensor) -> tuple[Tensor, Tensor, Tensor, float] | None:
    """Weights of (K,) depths of the same points, with their mean, covariance and noise; None where they are unlike."""
    deviation = near.std()
    columns = torch.stack((growth * (near - near.mean()) / deviation, torch.ones_like(near), growth - growth.mean()), 1)
    ridge = 1e-3 * len(near) * torch.tensor([1e-6, 1e-6, growth.var().item() + 1e-9], dtype=near.dtype).diag()
    weight = torch.ones_like(near)
    for turn in range(ROUNDS):
        weighted = columns * weight[:, None]
        error = (far - columns @ torch.linalg.solve(weighted.T @ columns + ridge, weighted.T @ far)).abs()
        noise = max(1.48 * error.median().item(), 1e-9)
        weight = 1 / error.clamp_min(noise / 3) if turn < ROUNDS // 2 else tukey(error, OUTLIER * noise)
    total = weight.sum()
    if total < FEWEST:
        return None
    values = torch.stack((growth * near, growth, far), 1)
    mean = (weight[:, None] * values).sum(0) / total
    centred = values - mean
    covariance = (weight[:, None] * centred).T @ centred / total
    if covariance[0, 2] <= 0 or covariance[0, 2] ** 2 < ALIKE * covariance[0, 0] * covariance[2, 2]:
        return None
    return weight, mean, covariance, noise


def read(plane: Tensor, points: Tensor) -> Tensor:
    """(h, w) between its pixels at (K, 2) points (x, y); NaN outside."""
    height, width = plane.shape
    inside = ((points >= 0) & (points <= points.new_tensor([width - 1, height - 1]))).all(1)
    corner = points.floor().clamp(points.new_zeros(2), points.new_tensor([width - 2, height - 2]))
    (x, y), (left, top) = (points - corner).unbind(1), corner.long().unbind(1)
    upper = torch.lerp(plane[top, left], plane[top, left + 1], x)
    lower = torch.lerp(plane[top + 1, left], plane[top + 1, left + 1], x)
    return torch.lerp(upper, lower, y).where(inside, torch.nan)


def blurred(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) depth in the working size (h, w), averaged over BLUR pixels of those that are known; NaN where none are."""
    known = torch.isfinite(plane)
    both = torch.stack((plane.where(known, 0.0), known.float()))[None]
    if tuple(plane.shape) != tuple(size):
        smaller = plane.shape[0] > size[0]
        both = F.interpolate(both, size=size, mode="area" if smaller else "bilinear")
    both = F.avg_pool2d(both, BLUR, 1, BLUR // 2, count_include_pad=False)[0]
    return (both[0] / both[1]).where(both[1] > 0.5, torch.nan)
