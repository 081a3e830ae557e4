"""Frames of steady depth, one after another: scaled and shifted, then the noise of still points smoothed over time.

Depth here is inverse depth in any units, NaN where it is not known. Letters: H and W pixels, K points.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from .approach import tukey
from .clip import Motion, Plan
from .pairs import Pair, read
from .solve import Solution

REACH = 3.0  # deviations of noise beyond which a neighbour shows something else


class Steadied:
    """The frames of a clip after a plan: steady[i] is (H, W)."""

    def __init__(
        self,
        plane_of: Callable[[int], Tensor],
        plan: Plan,
        motion: Motion,
        strength: float = 1.0,
        radius: int = 0,
        look: Callable[[], None] = lambda: None,
    ):
        """`radius` frames on each side are averaged; `look` is called now and then, and may raise to stop."""
        self.plan, self.motion, self.radius = plan, motion, radius
        self.plane_of = lru_cache(2)(plane_of)
        whole = plan.solution
        self.solution = Solution(1 + strength * (whole.scale - 1), strength * whole.shift, strength * whole.zero)
        self.scaled = lru_cache(2 * radius + 2)(self._scaled)
        self.steady = lru_cache(2)(self._steady)
        self.limit = REACH * 1.48 * self.noise(look) if radius else 0.0

    def __getitem__(self, index: int) -> Tensor:
        return self.steady(index)

    def _scaled(self, index: int) -> Tensor:
        return self.solution.scale[index].item() * self.plane_of(index) + self.solution.shift[index].item()

    def _steady(self, index: int) -> Tensor:
        """A frame, each still point averaged with where the flow finds it in the frames around, unless it changed there."""
        here = self.scaled(index)
        shot = next(shot for shot in self.plan.shots if index in shot)
        total, count = torch.zeros_like(here), torch.ones_like(here)
        for other in range(max(shot.start, index - self.radius), min(shot.stop, index + self.radius + 1)):
            if other == index or not self.limit:
                continue
            there, trusted = self.motion.fetched(self.scaled(other), index, other)
            change = there - here
            weight = tukey(change, self.limit).where(trusted & torch.isfinite(change), 0.0)
            total += weight * change.nan_to_num(0.0)
            count += weight
        return here + total / count

    def noise(self, look: Callable[[], None]) -> float:
        """How much still points of neighbours differ after the plan, on average; 0 where no neighbours could be compared."""
        found = []
        for pair in self.plan.neighbours:
            found.append(changes(pair, self.scaled, self.solution.zero[pair.first].item()))
            look()
        return torch.tensor(found).nanmean().item() if found else 0.0

    def write(self, put: Callable[[int, Tensor], None], report: Callable[[int], None]) -> tuple[float, float] | None:
        """Hands each frame to put(index, frame); returns how much still points flicker before and after, None if unknown."""
        pairs, found = {pair.second: pair for pair in self.plan.neighbours}, []
        for index in range(len(self.solution.scale)):
            put(index, self.steady(index))
            if index in pairs:
                found.append(self.difference(pairs[index]))
            report(index + 1)
        return tuple(torch.tensor(found).nanmean(0).tolist()) if found else None

    def difference(self, pair: Pair) -> tuple[float, float]:
        """How much still points of a pair of neighbours differ, as they came and steady."""
        first = pair.first
        offset = (self.plan.solution.shift + self.plan.solution.zero)[first] / self.plan.solution.scale[first]
        before = changes(pair, self.plane_of, offset.item())
        return before, changes(pair, self.steady, self.solution.zero[first].item())


def changes(pair: Pair, frame_of: Callable[[int], Tensor], zero: float) -> float:
    """The median change of depth at a pair's still points beyond what the camera's motion makes of depth + zero."""
    one, other = frame_of(pair.first), frame_of(pair.second)
    size = torch.tensor([one.shape[1], one.shape[0]])
    here, there = (pair.still[:, 2 * side : 2 * side + 2] * size - 0.5 for side in (0, 1))
    expected = (read(one, here) + zero) * pair.still[:, 4] - zero
    return (read(other, there) - expected).abs().nanmedian().item()
