"""Values over time without gaps."""

import torch
from torch import Tensor


def filled(values: Tensor) -> Tensor:
    """(N,) with every NaN on the line between its neighbours; the ends are held; all NaN stays."""
    known = torch.isfinite(values).nonzero()[:, 0]
    if not len(known):
        return values
    places = torch.arange(len(values))
    after = torch.searchsorted(known, places).clamp_max(len(known) - 1)
    before = (torch.searchsorted(known, places, right=True) - 1).clamp_min(0)
    low, high = known[before], known[after]
    way = (places - low) / (high - low).clamp_min(1)
    return values[low].lerp(values[high], way.clamp(0, 1))
