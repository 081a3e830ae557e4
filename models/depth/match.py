"""Depth of one estimator or model in the greys of another, and a mask of what is nearer than a reference.

Every estimator and every model has a range of its own. Where two clips show the same place, one scale and one shift for
the whole clip lead from one range to the other. What only one of them shows is an outlier, detected by its error and
left out. Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .edit import feathered

ROUNDS = 6
OUTLIER = 3.7  # errors beyond this many medians are of something else: 2.5 deviations of a normal distribution
ENOUGH = 1 << 22  # pixels that the median error is taken of, evenly over the clip
TOLERANCE = 0.08  # greys; what differs by less may be the same thing, estimated less exactly


def match(
    depth: Tensor, reference: Tensor, counted: Tensor | None = None, report: Callable[[int], None] = lambda done: None
) -> tuple[float, float, Tensor]:
    """Scale and shift from depth to reference, (N, H, W) both, and where both show the same, bool (N, H, W).

    Least squares, repeated without the outliers of the round before. counted (N, H, W) bool: the pixels to start with.
    `report` gets the frames that are done, 2 N for each of ROUNDS.
    """
    counted = torch.ones_like(depth, dtype=torch.bool) if counted is None else counted
    same = counted.clone()
    for turn in range(ROUNDS):
        before = 2 * turn * len(depth)
        scale, shift = fit(depth, reference, same, lambda done, before=before: report(before + done))
        limit = max(OUTLIER * median_error(depth, reference, same, scale, shift), TOLERANCE)
        for index in range(len(depth)):
            error = (scale * depth[index] + shift - reference[index]).abs()
            same[index] = counted[index] & (error <= limit)
            report(before + len(depth) + index + 1)
    return scale, shift, same


def median_error(depth: Tensor, reference: Tensor, counted: Tensor, scale: float, shift: float) -> float:
    """The median of how far the fitted depth is from the reference, all (N, H, W), over counted pixels."""
    step, errors = -(-depth.numel() // ENOUGH), []
    for one, other, here in zip(depth, reference, counted, strict=True):
        one, other, here = (plane.reshape(-1)[::step] for plane in (one, other, here))
        errors.append((scale * one[here] + shift - other[here]).abs())
    return torch.cat(errors).nanmedian().item() if any(map(len, errors)) else 0.0


def nearer_mask(
    depth: Tensor,
    reference: Tensor,
    threshold: float,
    feather: float,
    report: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """(N, H, W) 1 where depth is nearer than reference by the threshold in greys or more; its edge fades over `feather` pixels."""
    out = torch.empty_like(depth)
    for index in range(len(depth)):
        out[index] = feathered((depth[index] - reference[index] >= threshold).to(depth), feather)
        report(index + 1)
    return out


def fit(
    depth: Tensor, reference: Tensor, counted: Tensor, report: Callable[[int], None] = lambda done: None
) -> tuple[float, float]:
    """Scale and shift that bring depth closest to the reference, by least squares over counted pixels; all (N, H, W).

    Flat depth keeps its scale, for which any number would do.
    """
    pixels, sums, squares = 0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for index, here in enumerate(counted):
        one, other = depth[index][here].double(), reference[index][here].double()
        pixels += len(one)
        sums += torch.stack((one.sum(), other.sum())).cpu()
        squares += torch.stack((one @ one, one @ other)).cpu()
        report(index + 1)
    mean, reference_mean = (sums / pixels).tolist()
    spread, common = (squares / pixels - mean * sums / pixels).tolist()
    scale = common / spread if spread > 1e-12 else 1.0
    return scale, reference_mean - scale * mean
