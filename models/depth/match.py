"""Depth of one estimator or model in the greys of another, and a mask of what is nearer than a reference.

Every estimator and every model has a range of its own. Where two clips show the same place, one scale and one shift for
the whole clip lead from one range to the other. What only one of them shows is an outlier, detected by its error and
left out. Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

from .edit import feathered

ROUNDS = 6
OUTLIER = 3.7  # errors beyond this many medians are of something else: 2.5 deviations of a normal distribution
TOLERANCE = 0.08  # greys; what differs by less may be the same thing, estimated less exactly


def match(depth: Tensor, reference: Tensor, counted: Tensor | None = None) -> tuple[float, float, Tensor]:
    """Scale and shift from depth to reference, (N, H, W) both, and where both show the same, bool (N, H, W).

    Least squares, repeated without the outliers of the round before. counted (N, H, W) bool: the pixels to start with.
    """
    counted = torch.ones_like(depth, dtype=torch.bool) if counted is None else counted
    same = counted
    for _ in range(ROUNDS):
        scale, shift = fit(depth, reference, same)
        error = (scale * depth + shift - reference).abs()
        limit = max(OUTLIER * error[same].median().item(), TOLERANCE)
        same = counted & (error <= limit)
    return scale, shift, same


def nearer_mask(depth: Tensor, reference: Tensor, threshold: float, feather: float) -> Tensor:
    """(N, H, W) 1 where depth is nearer than reference by the threshold in greys or more; its edge fades over `feather` pixels."""
    nearer = (depth - reference >= threshold).to(depth)
    return torch.stack([feathered(frame, feather) for frame in nearer])


def fit(depth: Tensor, reference: Tensor, counted: Tensor) -> tuple[float, float]:
    """Scale and shift that bring depth closest to the reference, by least squares over counted pixels; all (N, H, W).

    Flat depth keeps its scale, for which any number would do.
    """
    depth, reference = depth[counted].double(), reference[counted].double()
    offset = depth - depth.mean()
    spread = offset.square().sum()
    scale = (offset @ (reference - reference.mean()) / spread).item() if spread > 1e-12 * len(depth) else 1.0
    return scale, (reference.mean() - scale * depth.mean()).item()
