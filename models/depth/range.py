"""Depth of a whole clip at once: one range for all frames, so that a still pixel keeps its value.

Letters: N frames, H and W pixels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..choices import DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SCALES, DEPTH_TYPES, check_choice
from .percentile import percentiles


def valid_pixels(depth: Tensor, depth_type: str = "near is white", depth_scale: str = "linear") -> Tensor:
    """(N, H, W) bool: finite, and above 0 where 0 cannot be a depth (a distance, or a number to be inverted)."""
    finite = torch.isfinite(depth)
    if depth_scale == "inverse":
        # The reciprocal of the very smallest floats is infinite.
        return finite & (depth > 0) & torch.isfinite(1 / depth)
    return finite & (depth > 0) if depth_type == "distance" else finite


def range_of_clip(
    depth: Tensor,
    valid: Tensor,
    range_mode: str,
    depth_type: str,
    near_percent: float,
    far_percent: float,
    look: Callable[[int], None] = lambda done: None,
) -> tuple[float, float]:
    """The depths that become the near and the far end, in the units of `depth`, from the valid pixels of all frames.

    Both percentages count the pixels from the nearest.
    """
    if range_mode == "min-max":
        smallest, largest = percentiles(depth, valid, [0, 100], look)
        return (largest, smallest) if depth_type == "near is white" else (smallest, largest)
    if not 0 <= near_percent < far_percent <= 100:
        raise ValueError(
            f"Expected near_percent below far_percent within 0 to 100, got {near_percent:g} and {far_percent:g}: "
            "swap them."
        )
    percent = [near_percent, far_percent]
    if depth_type == "near is white":
        percent = [100 - near_percent, 100 - far_percent]
    near, far = percentiles(depth, valid, percent, look)
    return near, far


def normalize_clip(
    depth: Tensor,
    valid: Tensor | None = None,
    range_mode: str = "min-max",
    near: float = 0.0,
    far: float = 1.0,
    near_percent: float = 1.0,
    far_percent: float = 99.0,
    depth_type: str = "near is white",
    depth_scale: str = "linear",
    polarity: str = "near is white",
    report: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, float, float]:
    """(N, H, W) depth of any unit to (N, H, W) in [0, 1], with the near and the far depth that were used.

    range_mode: "min-max" and "percentile" use all frames together, "fixed" takes `near` and `far` in either order.
    Pixels that are not valid go to the far end, a constant depth goes to 0.5.
    """
    for value, choices in (
        (range_mode, DEPTH_RANGES),
        (depth_type, DEPTH_TYPES),
        (depth_scale, DEPTH_SCALES),
        (polarity, DEPTH_POLARITIES),
    ):
        check_choice(value, choices)
    device, depth = depth.device, depth.float().cpu()  # some GPUs have no double precision
    good = valid_pixels(depth, depth_type, depth_scale)
    good = good if valid is None else good & valid.bool().cpu()
    if range_mode == "fixed":
        near, far = fixed_range(near, far, depth_type, depth_scale)
    elif not good.any():
        raise ValueError(
            f"Expected depth in at least one pixel of the clip, got none in {len(depth)} frames: "
            "every pixel is sky, masked, zero or not a number; check the mask and what the depth comes from."
        )
    else:
        near, far = range_of_clip(depth, good, range_mode, depth_type, near_percent, far_percent, report)
    direction = -1 if depth_type == "near is white" else 1
    # One frame at a time in double precision: exact for any float, and the clip is never held twice.
    picture = torch.empty_like(depth)
    for index, (frame, here) in enumerate(zip(depth, good, strict=True)):
        picture[index] = relative_depth(frame, near, far, depth_scale, direction).where(here, 1.0)
        report(index + 1)
    return (1 - picture if polarity == "near is white" else picture).to(device), near, far


def relative_depth(depth: Tensor, near: float, far: float, depth_scale: str, direction: int) -> Tensor:
    """(H, W) depth between near (0) and far (1); where both are one value: 0.5 there, the ends on its two sides."""
    depth = depth.double()
    if math.isclose(near, far, rel_tol=1e-6):
        return 0.5 + 0.5 * direction * torch.sign(depth - near) * ((depth - near).abs() > 1e-6 * abs(near))
    if depth_scale == "inverse":
        depth, near, far = 1 / depth, 1 / near, 1 / far
    return ((depth - near) / (far - near)).clamp(0, 1)


def fixed_range(near: float, far: float, depth_type: str, depth_scale: str) -> tuple[float, float]:
    """Near and far in the order of the depth type."""
    small, large = sorted((near, far))
    if small == large or (small <= 0 and depth_scale == "inverse"):
        expected = "two numbers above 0" if depth_scale == "inverse" else "two different numbers"
        raise ValueError(
            f"Expected {expected} as near_depth and far_depth, got {near:g} and {far:g}: change one of them."
        )
    return (large, small) if depth_type == "near is white" else (small, large)
