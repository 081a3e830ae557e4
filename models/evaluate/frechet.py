"""The Frechet distance of two sets of clips with what is known about its error: an interval, and its value by groups.

It grows as the sets shrink, since few samples spread less than what they were drawn from. A bootstrap repeats that error
once more, so the interval is mirrored at the distance (the basic bootstrap), which takes the error out to first order.
Where sample k of one set was made from sample k of the other, both are drawn together (`matched`): drawn apart, the sets
would lose what they share, and the mirrored interval would lie below any distance.
Letters: n and m samples, d features.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..flow.frames import Report, silent
from .metrics import frechet

SHARE = 0.95  # of the interval


class Distance(NamedTuple):
    """A distance with the ends of its interval."""

    value: float
    low: float
    high: float


class GroupDistance(NamedTuple):
    """The mean over groups, how far the groups lie apart, each group's own distance, and those with too few samples."""

    mean: Distance
    spread: float
    groups: dict[str, float]
    left_out: list[str]


def distance(
    one: Tensor, other: Tensor, draws: int = 200, seed: int = 0, matched: bool = False, report: Report = silent
) -> Distance:
    """The distance of (n, d) and (m, d) features; with fewer than 2 draws the interval is as wide as nothing is known."""
    one, other = in_shared_axes(one, other)
    return interval(frechet(one, other), lambda g: frechet(*drawn(one, other, g, matched)), draws, seed, report)


def distance_by_group(
    one: Tensor, other: Tensor, one_groups: Sequence[str], other_groups: Sequence[str], draws: int = 200, seed: int = 0,
    matched: bool = False, report: Report = silent,
) -> GroupDistance:  # fmt: skip
    """The mean of the distances within each group that has 2 samples on both sides: cFVD by class, sFVD by person."""
    one, other = in_shared_axes(one, other)
    names = sorted(set(one_groups) | set(other_groups))
    sets = {name: (one[rows(one_groups, name)], other[rows(other_groups, name)]) for name in names}
    kept = {name: pair for name, pair in sets.items() if min(map(len, pair)) >= 2}
    if not kept:
        raise ValueError(
            "A distance by group needs a group with at least 2 clips on both sides, but there is none among "
            f"{', '.join(names)}: give more clips of a group, or the same names on both sides."
        )
    found = {name: frechet(*pair) for name, pair in kept.items()}
    values = torch.tensor(list(found.values()), dtype=torch.float64)
    again = lambda g: sum(frechet(*drawn(*pair, g, matched)) for pair in kept.values()) / len(kept)
    mean = interval(values.mean().item(), again, draws, seed, report)
    return GroupDistance(mean, values.std(correction=0).item(), found, [name for name in names if name not in kept])


def rows(groups: Sequence[str], name: str) -> list[int]:
    return [index for index, one in enumerate(groups) if one == name]


def in_shared_axes(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The same points with no more features than there are samples, which leaves every distance as it was."""
    points = torch.cat((one, other)).double()
    points = points - points.mean(0)
    if points.shape[1] > len(points):
        points = torch.linalg.qr(points.T, mode="r").R.T
    return points[: len(one)], points[len(one) :]


def drawn(one: Tensor, other: Tensor, g: torch.Generator, matched: bool) -> tuple[Tensor, Tensor]:
    """As many samples of both sets again, drawn with replacement; of matched sets the same ones."""
    if matched and len(one) != len(other):
        raise ValueError(
            f"Matched sets have a sample for each sample of the other, but these have {len(one)} and {len(other)}: give as "
            "many, in the same order and groups, or say that they are not matched."
        )
    first = torch.randint(len(one), (len(one),), generator=g)
    return one[first], other[first if matched else torch.randint(len(other), (len(other),), generator=g)]


def interval(
    value: float, again: Callable[[torch.Generator], float], draws: int, seed: int, report: Report
) -> Distance:
    """A value and its 95 % interval from values of samples that were drawn again, mirrored at it."""
    if draws < 2:
        return Distance(value, 0.0, float("inf"))
    g, found = torch.Generator().manual_seed(seed), []
    for done in range(draws):
        found.append(again(g))
        report(done + 1)
    tails = torch.tensor([(1 - SHARE) / 2, (1 + SHARE) / 2], dtype=torch.float64)
    low, high = torch.quantile(torch.tensor(found, dtype=torch.float64), tails).tolist()
    return Distance(value, max(0.0, 2 * value - high), max(0.0, 2 * value - low))
