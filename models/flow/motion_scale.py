"""The motion that full colour of a painted flow stands for, by the clip that it was painted for.

Each candidate moves the frames by the painted flow; the one that makes them most alike is taken. So the painted flow itself
is tried, and no estimate of the motion can fail. Letters: N pictures, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .fields import pixel_positions, resized
from .frames import Report, silent
from .painted import COLOURED
from .wheels import read

PAIRS, SIDE = 8, 256  # frames and pixels that are enough to measure by
FIRST, STEP, FINER = 0.5, 1.12, (1.05, 1.025, 1.0125, 1.006)  # pixels, and the ratios of neighbouring candidates
ENOUGH = 64  # coloured pixels
EXPLAINED = 10.0  # percent of the change between frames that the right flow takes away at least


@dataclass
class MotionScale:
    """Pixels of motion at full colour, and the percent of the change between frames that this motion takes away."""

    max_motion: float
    explained: float
    backwards: float

    @property
    def sentence(self) -> str:
        return (
            f"Measured by the images, full colour is a motion of {self.max_motion:.1f} pixels; it explains {max(0, self.explained):.0f} % of "
            "what changes between their frames where motion is painted."
        )

    @property
    def advice(self) -> str | None:
        if self.explained >= EXPLAINED and self.explained > self.backwards:
            return None
        return (
            f"The painted motion explains only {max(0, self.explained):.0f} % of what changes between the frames: check direction, "
            "color_wheel and whether the images belong to the flow, or set max_motion."
        )


def measure_motion(painted: Tensor, wheel: str, starts: Tensor, ends: Tensor, report: Report = silent) -> MotionScale:
    """The motion of full colour in (N, H, W, 3), whose flow leads from the frames (N, h, w, 3) `starts` to `ends`."""
    size = tuple(painted.shape[1:3])
    ratio = max(1.0, max(size) / SIDE)
    small = (round(size[0] / ratio), round(size[1] / ratio))
    some = torch.linspace(0, len(painted) - 1, min(PAIRS, len(painted))).round().long()
    painted, starts, ends = (fitted(clip[some], small) for clip in (painted, starts, ends))
    error = error_of(painted, wheel, starts, ends)
    best = search(error, max(small) / 2, report)
    explained = lambda motion: 100 * (1 - error(motion) / max(error(0.0), 1e-9))
    return MotionScale(best * ratio, explained(best), explained(-best))


def error_of(painted: Tensor, wheel: str, starts: Tensor, ends: Tensor) -> Callable[[float], float]:
    """A function from the motion of full colour to how much the moved frames differ, in 0..1, where motion is painted."""
    unit, visible = read(painted, wheel)
    kept = visible & (unit.norm(dim=-1) > COLOURED)
    if kept.sum() < ENOUGH:
        raise ValueError(
            "images: expected painted motion to measure by them, got pictures without colour: set max_motion to the pixels of "
            "motion at full colour."
        )
    places = pixel_positions(*kept.shape[1:], unit)
    parts = [
        (end, places[here], step[here], start[here])
        for end, here, step, start in zip(ends, kept, unit, starts, strict=True)
    ]

    def error(motion: float) -> float:
        sums = [(pixels_at(end, place + motion * step) - start).abs().sum() for end, place, step, start in parts]
        return (sum(sums) / (3 * kept.sum())).item()

    return error


def pixels_at(picture: Tensor, places: Tensor) -> Tensor:
    """The colours (K, 3) of (H, W, 3) at places (K, 2) between its pixels; the border is repeated."""
    height, width = picture.shape[:2]
    grid = places * 2 / places.new_tensor([max(width - 1, 1), max(height - 1, 1)]) - 1
    planes = picture.movedim(-1, 0)[None]
    return F.grid_sample(planes, grid[None, None], padding_mode="border", align_corners=True)[0, :, 0].T


def search(error: Callable[[float], float], most: float, report: Report) -> float:
    """The motion with the least error: the best of a wide row, then of ever closer neighbours."""
    row, errors = [FIRST], []
    while row[-1] * STEP < most:
        row.append(row[-1] * STEP)
    for index, motion in enumerate(row):
        errors.append(error(motion))
        report(index + 1)
    best = row[errors.index(min(errors))]
    for ratio in FINER:
        best = min((best / ratio, best, best * ratio), key=error)
    return best


def fitted(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, h, w, 3) at another size."""
    return resized(pictures.float().movedim(-1, 1), size).movedim(1, -1)
