"""Scale and shift of every frame from what pairs of frames say, in each shot so that none drifts and none collapses.

The logarithm of a frame's scale is a height, each pair names a difference of heights: a sum of robust squares whose
least has no way to shrink the depth. The same with shifts, once scales are known. Letters: N frames, E pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .pairs import Pair

FLOOR = 0.002  # relative error that no number of points takes away
GROWTH_ERROR = 0.5  # share of how unequal the growth by the camera's motion is, by which it may be wrong
GIVEN = 0.3  # deviation of the scale between neighbours as they came: it decides only where nothing else does
SURE = 2.0  # deviations beyond which a pair counts less
ROUNDS = 8
TURNS = 5  # scales and shifts in turn, as the growth by the camera's motion needs both


@dataclass(frozen=True)
class Solution:
    """steady depth = scale x depth + shift; steady depth + zero is in proportion to 1 / distance."""

    scale: Tensor  # (N,)
    shift: Tensor  # (N,)
    zero: Tensor  # (N,)


def solve(pairs: list[Pair], groups: list[Tensor], middle: Tensor) -> Solution:
    """From pairs, the frames that they join, and the median depth (N,) of each.

    In each group the typical frame keeps its scale, and what is infinitely far away is taken to lie at its 0; then the
    typical frame keeps its median.
    """
    scale, offset, zero = torch.ones_like(middle), torch.zeros_like(middle), torch.zeros_like(middle)
    edges = Edges(pairs) if pairs else None
    for _ in range(TURNS if pairs else 0):
        scale = edges.heights(*edges.scales(offset / scale), scale.log(), GIVEN**-2).exp()
        scale = by_group(scale, groups, lambda part: part / part.log().median().exp())
        offset = edges.heights(*edges.shifts(scale, offset), offset)
        offset = by_group(offset, groups, lambda part: part - part.median())
    for group in groups:
        zero[group] = (scale * middle + offset - middle)[group].nanmedian()
    return Solution(scale, offset - zero, zero)


def by_group(values: Tensor, groups: list[Tensor], change: Callable[[Tensor], Tensor]) -> Tensor:
    """(N,) values changed group by group."""
    out = values.clone()
    for group in groups:
        out[group] = change(values[group])
    return out


class Edges:
    """E pairs as tensors."""

    def __init__(self, pairs: list[Pair]):
        of = lambda name: torch.stack([torch.as_tensor(getattr(pair, name)) for pair in pairs])
        self.first, self.second, self.mean, self.covariance = of("first"), of("second"), of("mean"), of("covariance")
        self.count, self.noise = of("count").double(), of("noise").double()

    def scales(self, offset: Tensor) -> tuple[Tensor, Tensor]:
        """The differences of log scale (E,) that make the same points vary alike, and their variances."""
        at = offset[self.first]
        one = self.covariance[:, 0, 0] + 2 * at * self.covariance[:, 0, 1] + at**2 * self.covariance[:, 1, 1]
        other = self.covariance[:, 2, 2]
        both = self.covariance[:, 0, 2] + at * self.covariance[:, 1, 2]
        alike = (both.square() / (one * other)).clamp(0, 1)
        level = (self.mean[:, 0] + at * self.mean[:, 1]).abs()
        unsure = self.covariance[:, 1, 1] * level.square() / one * GROWTH_ERROR**2
        return 0.5 * (one / other).log(), (1 - alike) / self.count + FLOOR**2 + unsure

    def shifts(self, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """The differences of shift (E,) that make the same points alike on average, and their variances."""
        one, other = scale[self.first], scale[self.second]
        expected = one * self.mean[:, 0] + (self.mean[:, 1] - 1) * offset[self.first]
        spread = other * self.covariance[:, 2, 2].sqrt()
        return expected - other * self.mean[:, 2], (other * self.noise).square() / self.count + (FLOOR * spread) ** 2

    def heights(self, difference: Tensor, variance: Tensor, height: Tensor, keep: float = 0.0) -> Tensor:
        """(N,) heights whose differences are closest to (E,) given ones, pairs far beside the others counting less.

        `keep` is the weight that neighbours of one height have beside all that.
        """
        weight = torch.ones_like(variance)
        for _ in range(ROUNDS):
            height = closest_heights(self.first, self.second, difference, weight / variance, height, keep)
            error = (height[self.second] - height[self.first] - difference).abs() / variance.sqrt()
            weight = (SURE / error.clamp_min(SURE)).square()
        return height


def closest_heights(
    first: Tensor, second: Tensor, difference: Tensor, weight: Tensor, start: Tensor, keep: float = 0.0
) -> Tensor:
    """(N,) heights by conjugate gradients, preconditioned by the weights at each frame; one per connected part stays free.

    Frames that a pair joins to their neighbour are kept at its height with the weight `keep` beside that.
    """
    beside = second == first + 1
    first, second = torch.cat((first, first[beside])), torch.cat((second, second[beside]))
    difference = torch.cat((difference, torch.zeros_like(difference[beside])))
    weight = torch.cat((weight, torch.full_like(weight[beside], keep)))
    zero = torch.zeros_like(start)
    along = lambda flow: zero.index_add(0, second, flow).index_add(0, first, -flow)
    times = lambda height: along(weight * (height[second] - height[first]))
    diagonal = zero.index_add(0, second, weight).index_add(0, first, weight)
    inverse = torch.where(diagonal > 0, 1 / diagonal, 0.0)
    height = start.clone()
    rest = along(weight * difference) - times(height)
    best = (rest * inverse * rest).sum()
    step, goal = inverse * rest, 1e-18 * (inverse * along(weight * difference.abs()).square()).sum() + 1e-300
    for _ in range(4 * len(start) + 50):
        if best <= goal:
            break
        image = times(step)
        length = best / (step * image).sum()
        height, rest = height + length * step, rest - length * image
        latest = (rest * inverse * rest).sum()
        step, best = inverse * rest + latest / best * step, latest
    return height
