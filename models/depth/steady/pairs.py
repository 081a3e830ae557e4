"""What two frames of a clip say about each other's scale and shift of depth: a robust line, kept as a few numbers.

Depth here is inverse depth in the units of its frame, NaN where it is not known. Letters: h and w pixels, K points.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .approach import CameraMotion, tukey

POINTS = 4096  # of a pair at most
CELLS = 24  # parts of the picture's longer side, each of which has its share of the points
FEWEST = 60  # points that a line needs
BLUR = 5  # pixels a side that depth is averaged over: what remains is less noise, and a still point stays where it is
ROUNDS = 12
OUTLIER = 4.0  # deviations beyond which a point moves on its own
KEPT = 64  # still points of a pair that flicker is measured at
FLAT = 1e-5  # contrast of depth that is rounding alone
GROWTH = 0.01  # growth that must differ over the picture to be seen in depth
TOLERANCE = (
    0.03  # of the contrast of depth: noise that a pair always has, lest a wall that fits well shut out the floor
)
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
    still: Tensor  # (k, 5) some still points: x and y in both frames as parts of the picture's size, and their growth


def measure(
    first: int, second: int, before: Tensor, after: Tensor, flow: tuple[Tensor, Tensor, Tensor], focal: float
) -> Pair | None:
    """The Pair of two depths (h, w) along a flow, or None where they have too little in common.

    flow: offsets (h, w, 2), where they are trusted and where they are sure, bool (h, w). The sure ones show the motion of
    the camera, all of them the depth.
    """
    offset, trusted, sure = flow
    seen, known = (same_points(before, after, offset, mask) for mask in (sure, trusted))
    if min(len(seen.near), len(known.near)) < FEWEST or min(map(contrast, (seen.near, seen.far))) < FLAT:
        return None
    camera = CameraMotion(*seen.rays(focal), seen.near, 1 / focal)
    start, end = known.rays(focal)
    growth, still = camera.growth(start, known.near), camera.still(start, end, known.near)
    found = line(known.near, known.far, growth, still)
    if found is None:
        return None
    weight, mean, covariance, noise = found
    samples = torch.cat((known.shares(), growth[:, None].float()), 1)[weight > 0.5]
    samples = samples[torch.linspace(0, len(samples) - 1, min(KEPT, len(samples))).long()]
    return Pair(first, second, mean, covariance, weight.sum().item() / BLUR**2, noise, samples)


def contrast(depth: Tensor) -> float:
    """(K,) depth to its deviation in multiples of its largest number."""
    return (depth.std() / depth.abs().max().clamp_min(1e-30)).item()


@dataclass(frozen=True)
class SamePoints:
    """K points that two frames show: where they are, (K, 2) x and y in pixels, and their depth (K,)."""

    here: Tensor
    there: Tensor
    near: Tensor
    far: Tensor
    size: tuple[int, int]

    def rays(self, focal: float) -> tuple[Tensor, Tensor]:
        """(K, 3) in both frames, for a focal length of 1."""
        centre = torch.tensor([(self.size[1] - 1) / 2, (self.size[0] - 1) / 2])
        return tuple(F.pad((point - centre) / focal, (0, 1), value=1.0).double() for point in (self.here, self.there))

    def shares(self) -> Tensor:
        """(K, 4) both places as parts of the picture's size."""
        size = torch.tensor(self.size).flip(0)
        return torch.cat(((self.here + 0.5) / size, (self.there + 0.5) / size), 1)


def same_points(before: Tensor, after: Tensor, offset: Tensor, mask: Tensor) -> SamePoints:
    """Points of a mask (h, w), evenly over the picture, whose depth is known in both frames."""
    row, column = evenly(mask & torch.isfinite(before)).unbind(1)
    here = torch.stack((column, row), 1).float()
    there = here + offset[row, column]
    far = read(after, there)
    known = torch.isfinite(far)
    near = before[row, column][known].double()
    return SamePoints(here[known], there[known], near, far[known].double(), tuple(before.shape))


def evenly(mask: Tensor) -> Tensor:
    """(K, 2) rows and columns of a mask (h, w), as many from each part of the picture as there are, up to a share of POINTS."""
    place = torch.nonzero(mask)
    side = max(mask.shape) / CELLS
    cell = (place[:, 0] / side).long() * CELLS + (place[:, 1] / side).long()
    order = torch.randperm(len(place), generator=torch.Generator().manual_seed(0))
    order = order[cell[order].sort(stable=True).indices]
    begins = torch.searchsorted(cell[order], torch.arange(CELLS * CELLS + 1))
    rank = torch.arange(len(place)) - begins[cell[order]]
    return place[order[rank < max(1, POINTS // CELLS**2)]]


def line(near: Tensor, far: Tensor, growth: Tensor, still: Tensor) -> tuple[Tensor, Tensor, Tensor, float] | None:
    """Weights of (K,) depths of the same points, with their mean, covariance and noise; None where they are unlike."""
    values = torch.stack((growth * near, growth, far), 1)
    weight, least = still, TOLERANCE * far[still > 0].std().item() + 1e-12
    for turn in range(ROUNDS):
        total = weight.sum()
        mean = (weight[:, None] * values).sum(0) / total
        centred = values - mean
        covariance = (weight[:, None] * centred).T @ centred / total
        error = beside(centred, covariance, weight).abs()
        noise = max(1.48 * error[still > 0].median().item(), least)
        weight = still * (1 / error.clamp_min(0.3 * noise) if turn < ROUNDS // 2 else tukey(error, OUTLIER * noise))
    if not covariance.isfinite().all() or min(covariance[0, 0], covariance[2, 2]) <= 0:
        return None
    alike = covariance[0, 2].clamp_min(0) ** 2 >= ALIKE * covariance[0, 0] * covariance[2, 2]
    return (weight, mean, covariance, noise) if alike and weight.sum() >= FEWEST else None


def beside(centred: Tensor, covariance: Tensor, weight: Tensor) -> Tensor:
    """How far points (K, 3) lie beside the line on which both depths vary alike, which treats both frames the same way.

    What grows with the growth is taken out, since how far depth is from its infinity is not known yet.
    """
    error = centred[:, 2] - (covariance[2, 2] / covariance[0, 0].clamp_min(1e-30)).sqrt() * centred[:, 0]
    growth = centred[:, 1]
    share = (weight * growth * error).sum() / ((weight * growth.square()).sum() + 1e-3 * weight.sum() * GROWTH**2)
    return error - share * growth


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
