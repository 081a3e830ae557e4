"""Depth of any type as inverse depth, in which estimators err by a scale and a shift, and back in the units it came in.

Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...choices import DEPTH_TYPES, check_choice

BEYOND = 2.0  # times the farthest distance that came: what would lie behind that is put there
ENDS = (0.0005, 0.9995)  # shares of the pixels between which grey depth is brought back into 0 to 1


@dataclass(frozen=True)
class Units:
    """What the numbers of a depth mean; `farthest` is the largest distance of the clip, where they are distances."""

    depth_type: str
    farthest: float = 0.0

    def __post_init__(self):
        check_choice(self.depth_type, DEPTH_TYPES)

    def inverse(self, depth: Tensor) -> Tensor:
        """(H, W) depth to inverse depth, NaN where it is not known."""
        depth = depth.float()
        if self.depth_type == "distance":
            depth = (1 / depth).where(depth > 0, torch.nan)
        elif self.depth_type == "far is white":
            depth = 1 - depth
        return depth.where(torch.isfinite(depth) & ((depth > 0) | (self.depth_type != "distance")), torch.nan)

    def back(self, inverse: Tensor, given: Tensor) -> Tensor:
        """(H, W) inverse depth in the units it came in; what is not known stays as `given`."""
        known = torch.isfinite(inverse)
        if self.depth_type == "distance":
            inverse = 1 / inverse.clamp_min(1 / (BEYOND * self.farthest))
        elif self.depth_type == "far is white":
            inverse = 1 - inverse
        return inverse.where(known, given.float())


def units_of(depth: Tensor, depth_type: str) -> Units:
    """The units of a clip's depth (N, H, W)."""
    if depth_type != "distance":
        return Units(depth_type)
    farthest = max(frame.where(torch.isfinite(frame), 0.0).amax().item() for frame in depth)
    return Units(depth_type, farthest if farthest > 0 else 1.0)


def into_grey(pictures: Tensor) -> tuple[float, float]:
    """Brings (N, H, W, ...) greys that left 0 to 1 back by one scale and one shift for the clip, in place; returns both."""
    step = max(1, pictures[0].numel() // 2048)
    some = torch.cat([frame.flatten()[::step] for frame in pictures])
    some = some[torch.isfinite(some)].sort().values
    if not len(some) or (some[0] >= 0 and some[-1] <= 1):
        return 1.0, 0.0
    low, high = (some[round(end * (len(some) - 1))].item() for end in ENDS)
    low, high = min(low, 0.0), max(high, 1.0)
    scale, shift = 1 / (high - low), -low / (high - low)
    for frame in pictures:
        frame.mul_(scale).add_(shift).clamp_(0, 1)
    return scale, shift
