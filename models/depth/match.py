"""Depth of one maker in the greys of another, and what stands before the other.

What an estimator or a model makes has a range of its own: what is near is white, but how white follows from what else is
in the clip. Where both clips show the same room, one scale and one shift for the whole clip say how the ranges belong
together. Whoever is seen in one of them only is an outlier, found by its error and left out.
Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

from .edit import feathered

ROUNDS = 6
SPREAD = 3.7  # errors beyond this many medians are of something else: 2.5 deviations of a normal distribution
SAME = 0.08  # greys; what differs by less may be the same thing, drawn less exactly


def match(depth: Tensor, reference: Tensor, counted: Tensor | None = None) -> tuple[float, float, Tensor]:
    """Scale and shift from depth to reference, (N, H, W) both, and where both show the same, bool (N, H, W).

    Least squares over what is left when outliers are taken away, again and again. counted (N, H, W) bool: all else is
    left out from the start.
    """
    counted = torch.ones_like(depth, dtype=torch.bool) if counted is None else counted
    same = counted
    for _ in range(ROUNDS):
        scale, shift = fit(depth, reference, same)
        error = (scale * depth + shift - reference).abs()
        limit = max(SPREAD * error[same].median().item(), SAME)
        same = counted & (error <= limit)
    return scale, shift, same


def nearer(depth: Tensor, reference: Tensor, least: float, feather: float) -> Tensor:
    """(N, H, W) 1 where depth is nearer than reference by at least so many greys; its edge fades over some pixels."""
    before = (depth - reference >= least).to(depth)
    return torch.stack([feathered(frame, feather) for frame in before])


def fit(made: Tensor, truth: Tensor, counted: Tensor) -> tuple[float, float]:
    """Scale and shift that bring a whole clip of depth nearest to the truth, by least squares over counted pixels.

    All three are (F, H, W). Depth that is flat keeps its scale, for which any number would do.
    """
    made, truth = made[counted].double(), truth[counted].double()
    away = made - made.mean()
    spread = away.square().sum()
    scale = (away @ (truth - truth.mean()) / spread).item() if spread > 1e-12 * len(made) else 1.0
    return scale, (truth.mean() - scale * made.mean()).item()
