"""A whole clip: pairs of frames looked at one after another, its cuts found, its scales and shifts solved.

Depth here is inverse depth in any units, NaN where it is not known. Letters: N frames, H and W pixels, h and w of the
working size.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from .pairs import FLAT, Pair, blurred, measure
from .solve import Solution, solve

STRIDES = (
    2,
    4,
    16,
    64,
    256,
)  # frames between key frames, one every half stride: against drift, and against pairs that fail
TRIES = 3  # frames back that a frame is joined to where its neighbour fails
IN_COMMON = 0.15  # share of what can be recognised that frames of one shot show both; across a cut it stays below 0.1
SAMPLES = 4096  # pixels of a frame that its middle and its contrast are taken of


class Motion(Protocol):
    """What is asked of the flow of a clip: models/flow/between.py."""

    size: tuple[int, int]

    def points(self, start: int, end: int) -> tuple[Tensor, Tensor, Tensor]: ...
    def in_common(self, start: int, end: int) -> float: ...
    def fetched(self, plane: Tensor, start: int, end: int) -> tuple[Tensor, Tensor]: ...


@dataclass
class Plan:
    """What was found in a clip, and what is to be done with each frame."""

    solution: Solution
    shots: list[range]
    pairs: list[Pair] = field(repr=False)
    contrast: float  # from the 5th to the 95th percentile of steady depth in a typical frame
    matched: list[int]  # frames whose scale follows from their own median and contrast alone
    unsolved: list[int]  # frames that stay as they are

    @property
    def cuts(self) -> list[int]:
        """The first frame after each cut."""
        return [shot.start for shot in self.shots[1:]]

    @property
    def neighbours(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.second == pair.first + 1]


def plan(
    plane_of: Callable[[int], Tensor], frames: int, motion: Motion, focal: float,
    report: Callable[[int], None] = lambda done: None,
) -> Plan:  # fmt: skip
    """Solves a clip whose frame i has the inverse depth plane_of(i), (H, W); focal is that of the working size in pixels."""
    looked = lru_cache(4)(lambda index: blurred(plane_of(index), motion.size))
    level = torch.full((frames, 2), torch.nan, dtype=torch.float64)
    pairs, starts = [], [0]

    def join(first: int, second: int) -> tuple[bool, bool]:
        """Whether two frames are of one shot, and whether their depths could be compared."""
        if motion.in_common(first, second) < IN_COMMON:
            return False, False
        pair = measure(first, second, looked(first), looked(second), motion.points(first, second), focal)
        pairs.extend([pair] if pair else [])
        return True, pair is not None

    for index in range(frames):
        level[index] = middle_and_contrast(plane_of(index))
        joined = joined_back(index, join)
        while index and starts[-1] > joined:  # what lies between two frames of one shot is of that shot too
            starts.pop()
        if index and joined == index:
            starts.append(index)
        for stride in STRIDES:
            if index - stride >= starts[-1] and (index - starts[-1]) % (stride // 2) == 0:
                join(index - stride, index)
        report(index + 1)
    return solved(pairs, starts, level)


def joined_back(index: int, join: Callable[[int, int], tuple[bool, bool]]) -> int:
    """Joins a frame to the one in front of it, or over a few that fail; the first frame of the same shot, or itself."""
    joined = index
    for other in range(index - 1, max(index - 1 - TRIES, -1), -1):
        of_shot, compared = join(other, index)
        joined = other if of_shot else joined
        if compared:
            break
    return joined


def middle_and_contrast(plane: Tensor) -> Tensor:
    """(2,) the median of depth (H, W) and its range from the 5th to the 95th percentile; NaN where nothing is known."""
    values = plane.flatten()[:: max(1, plane.numel() // SAMPLES)].double()
    low, middle, high = values.nanquantile(torch.tensor([0.05, 0.5, 0.95], dtype=values.dtype))
    return torch.stack((middle, high - low))


def solved(pairs: list[Pair], starts: list[int], level: Tensor) -> Plan:
    """The plan of a clip from its pairs, the first frames of its shots, and the (N, 2) middle and contrast of its frames."""
    frames = len(level)
    groups = joined_frames(pairs, frames)
    solution = solve(pairs, groups, level[:, 0])
    shots = [range(*ends) for ends in zip(starts, [*starts[1:], frames], strict=True)]
    alone = sorted(set(range(frames)) - {int(frame) for group in groups for frame in group})
    matched = [frame for frame in alone if match_to_nearest(frame, shots, alone, solution, level)]
    contrast = (solution.scale * level[:, 1]).nanmedian().item()
    return Plan(solution, shots, pairs, contrast, matched, [frame for frame in alone if frame not in matched])


def joined_frames(pairs: list[Pair], frames: int) -> list[Tensor]:
    """The frames that pairs join, as groups of two or more."""
    group = torch.arange(frames)
    for pair in pairs:
        one, other = group[pair.first].item(), group[pair.second].item()
        group[group == max(one, other)] = min(one, other)
    found = [torch.nonzero(group == number).flatten() for number in group.unique()]
    return [frames for frames in found if len(frames) > 1]


def match_to_nearest(frame: int, shots: list[range], alone: list[int], solution: Solution, level: Tensor) -> bool:
    """Gives a frame without a pair the middle and contrast of the nearest solved frame of its shot; False where it cannot."""
    shot = next(shot for shot in shots if frame in shot)
    solved = [other for other in shot if other not in alone]
    if not solved or not (torch.isfinite(level[frame]).all() and level[frame, 1] > FLAT * level[frame, 0].abs()):
        return False
    other = min(solved, key=lambda index: abs(index - frame))
    middle, contrast = level[other] * solution.scale[other]
    solution.scale[frame] = contrast / level[frame, 1]
    solution.shift[frame] = middle + solution.shift[other] - solution.scale[frame] * level[frame, 0]
    solution.zero[frame] = solution.zero[other]
    return True
