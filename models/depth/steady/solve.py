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
SURE = 2.0  # deviations beyond which a pair counts less
ROUNDS = 8
TURNS = 5  # scales and shifts in turn, as the growth by the camera's motion needs both
CANDIDATES = 61  # depths that may be infinitely far
EVIDENCE = 12.0  # by how much another infinitely far depth must explain the flow better to be taken


@dataclass(frozen=True)
class Solution:
    """steady depth = scale x depth + shift; steady depth + zero is in proportion to 1 / distance."""

    scale: Tensor  # (N,)
    shift: Tensor  # (N,)
    zero: Tensor  # (N,)


def solve(pairs: list[Pair], groups: list[Tensor], middle: Tensor, infinite: float | None) -> Solution:
    """From pairs, the frames that they join, and the median depth (N,) of each; `infinite` is the depth infinitely far away.

    The scale of a group stays that of its middle frame by scale, and so does its shift.
    """
    scale, offset = torch.ones_like(middle), torch.full_like(middle, -(infinite or 0.0))
    zero, edges = torch.zeros_like(middle), Edges(pairs) if pairs else None
    for _ in range(TURNS if pairs else 0):
        scale = edges.heights(*edges.scales(offset / scale), scale.log()).exp()
        scale = by_group(scale, groups, lambda part: part / part.log().median().exp())
        offset = edges.heights(*edges.shifts(scale, offset), offset)
        offset = far_end(edges, groups, scale, offset, middle, infinite)
    for group in groups:
        zero[group] = (scale * middle + offset - middle)[group].nanmedian()
    shift = torch.zeros_like(middle)
    for group in groups:
        shift[group] = offset[group] - zero[group]
    return Solution(scale, shift, zero)


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
        moved = lambda name: torch.stack([torch.as_tensor(getattr(pair.approach, name)).double() for pair in pairs])
        self.translation, self.certainty = moved("translation"), moved("certainty")
        self.depth_mean, self.deviation = moved("mean"), moved("deviation")

    def scales(self, offset: Tensor) -> tuple[Tensor, Tensor]:
        """The differences of log scale (E,) that make the same points vary alike, and their variances."""
        at = offset[self.first]
        one = self.covariance[:, 0, 0] + 2 * at * self.covariance[:, 0, 1] + at**2 * self.covariance[:, 1, 1]
        other = self.covariance[:, 2, 2]
        both = self.covariance[:, 0, 2] + at * self.covariance[:, 1, 2]
        alike = (both.square() / (one * other)).clamp(0, 1)
        return 0.5 * (one / other).log(), (1 - alike) / self.count + FLOOR**2

    def shifts(self, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """The differences of shift (E,) that make the same points alike on average, and their variances."""
        one, other = scale[self.first], scale[self.second]
        expected = one * self.mean[:, 0] + (self.mean[:, 1] - 1) * offset[self.first]
        spread = other * self.covariance[:, 2, 2].sqrt()
        return expected - other * self.mean[:, 2], (other * self.noise).square() / self.count + (FLOOR * spread) ** 2

    def heights(self, difference: Tensor, variance: Tensor, height: Tensor) -> Tensor:
        """(N,) heights whose differences are closest to (E,) given ones, pairs far beside the others left out."""
        weight = torch.ones_like(variance)
        for _ in range(ROUNDS):
            height = least_squares(self.first, self.second, difference, weight / variance, height)
            error = (height[self.second] - height[self.first] - difference).abs() / variance.sqrt()
            weight = (SURE / error.clamp_min(SURE)).square()
        return height


def least_squares(first: Tensor, second: Tensor, difference: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    """(N,) heights by conjugate gradients, preconditioned by the weights at each frame; one per connected part stays free."""
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


def far_end(
    edges: Edges, groups: list[Tensor], scale: Tensor, offset: Tensor, middle: Tensor, infinite: float | None
) -> Tensor:
    """Offsets (N,) of which each group's lacks nothing to be 0 infinitely far away: where `infinite` says, else by parallax.

    A camera that moves shifts what is twice as near twice as far; that names the depth that would not shift at all.
    """
    out = offset.clone()
    for group in groups:
        usual = -(infinite or 0.0) * scale[group].median() - offset[group].median()
        if infinite is None:
            inside = torch.isin(edges.first, group)
            level = (scale * middle + offset)[group].nanmedian()
            usual = parallax(edges, inside, scale, offset, level, usual)
        out[group] = offset[group] + usual
    return out


def parallax(edges: Edges, inside: Tensor, scale: Tensor, offset: Tensor, level: Tensor, usual: Tensor) -> Tensor:
    """Which addition to a group's offset explains the flow best; the usual one where that is not clearly better."""
    spread = (scale[edges.first] * edges.deviation)[inside].median()
    steps = torch.logspace(-1, 1, CANDIDATES, dtype=torch.float64) * spread
    additions = torch.cat((usual[None], steps - level))
    costs = torch.stack([misfit(edges, inside, scale, offset + addition) for addition in additions])
    best = costs.argmin()
    return additions[best] if costs[0] - costs[best] > EVIDENCE else usual


def misfit(edges: Edges, inside: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """How badly one translation for each pair explains the flow at both the mean depth and beside it."""
    first = edges.first[inside]
    near = (edges.depth_mean[inside] + offset[first] / scale[first]) / edges.deviation[inside]
    eye = torch.eye(3, dtype=torch.float64).expand(len(first), 3, 3)
    ways = torch.cat((eye, eye * near[:, None, None]), 1)
    certain, found = edges.certainty[inside], edges.translation[inside][..., None]
    normal, right = ways.mT @ certain @ ways + 1e-9 * eye, ways.mT @ certain @ found
    rest = found - ways @ torch.linalg.solve(normal, right)
    return (rest.mT @ certain @ rest).flatten().clamp(0, 9).sum()
