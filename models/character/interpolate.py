"""Gaps in values over time.

Letters: N frames.
"""

import torch
from torch import Tensor


def interpolate_gaps(values: Tensor) -> Tensor:
    """(N,) with every NaN on the line between its neighbours; the ends are held; all NaN stays."""
    known = torch.isfinite(values).nonzero()[:, 0]
    if not len(known):
        return values
    places = torch.arange(len(values))
    after = torch.searchsorted(known, places).clamp_max(len(known) - 1)
    before = (torch.searchsorted(known, places, right=True) - 1).clamp_min(0)
    low, high = known[before], known[after]
    part = (places - low) / (high - low).clamp_min(1)
    return values[low].lerp(values[high], part.clamp(0, 1))
