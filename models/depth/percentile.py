"""Percentiles of a whole clip, exact, one frame at a time: two counts of the numbers' bits find each rank (radix selection)."""

from collections.abc import Callable

import torch
from torch import Tensor

HALF = 16  # bits that one count looks at
LOW = (1 << HALF) - 1
SIGN = 1 << (HALF - 1)


def percentiles(depth: Tensor, valid: Tensor, percents: list[float], look: Callable[[int], None]) -> list[float]:
    """The percentiles, interpolated linearly, of the valid pixels of (N, H, W) float32 depth; look is called for each frame."""
    upper = torch.zeros(1 << HALF, dtype=torch.long)
    for keys in keys_of(depth, valid, look):
        upper += torch.bincount((keys >> HALF) + SIGN, minlength=1 << HALF)
    count = int(upper.sum())
    places = [percent / 100 * (count - 1) for percent in percents]
    ranks = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, count - 1))})
    ends = upper.cumsum(0)
    parts = {rank: int(torch.searchsorted(ends, rank, right=True)) for rank in ranks}
    lower = {part: torch.zeros(1 << HALF, dtype=torch.long) for part in parts.values()}
    for keys in keys_of(depth, valid, look):
        for part, counts in lower.items():
            counts += torch.bincount(keys[(keys >> HALF) + SIGN == part] & LOW, minlength=1 << HALF)
    values = {}
    for rank, part in parts.items():
        inside = rank - int(ends[part] - upper[part])
        values[rank] = value_of(
            (part - SIGN) << HALF | int(torch.searchsorted(lower[part].cumsum(0), inside, right=True))
        )
    between = lambda place, low, high: low + (place - int(place)) * (high - low)
    return [between(place, values[int(place)], values[min(int(place) + 1, count - 1)]) for place in places]


def keys_of(depth: Tensor, valid: Tensor, look: Callable[[int], None]):
    """The valid numbers of each frame as integers of the same order."""
    for frame, here in zip(depth, valid, strict=True):
        look(0)
        yield ordered(frame[here].view(torch.int32)).long()


def ordered(bits: Tensor) -> Tensor:
    """The bits of floats as integers that rise with them; it is its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def value_of(key: int) -> float:
    return ordered(torch.tensor(key, dtype=torch.int32)).view(torch.float32).item()
