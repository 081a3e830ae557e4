"""Depth of a whole clip at once: one range for all frames, so that a still pixel keeps its value.

Letters: N frames, H and W pixels.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..choices import DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SOURCES, DEPTH_SPACES


def known(depth: Tensor, source: str = "near is large", space: str = "as given") -> Tensor:
    """(N, H, W) bool: finite, and above 0 where 0 cannot be a depth (a distance, or a number to be inverted)."""
    good = torch.isfinite(depth)
    if space == "inverse":
        # The reciprocal of the very smallest floats is infinite.
        return good & (depth > 0) & torch.isfinite(1 / depth)
    return good & (depth > 0) if source == "distance" else good


def clip_range(depth: Tensor, valid: Tensor, mode: str, source: str, low: float, high: float) -> tuple[float, float]:
    """The depths that become the near and the far end, in the units of `depth`, from the valid pixels of all frames.

    `low` and `high` are percent of the pixels, counted from the nearest.
    """
    values = depth[valid].numpy()
    if mode == "min-max":
        smallest, largest = float(values.min()), float(values.max())
        return (largest, smallest) if source == "near is large" else (smallest, largest)
    if not 0 <= low < high <= 100:
        raise ValueError(
            f"Expected low percent below high percent within 0 to 100, got {low:g} and {high:g}: swap them."
        )
    percent = [100 - low, 100 - high] if source == "near is large" else [low, high]
    near, far = np.percentile(values, percent)
    return float(near), float(far)


def normalize_clip(
    depth: Tensor,
    valid: Tensor | None = None,
    mode: str = "min-max",
    near: float = 0.0,
    far: float = 1.0,
    low: float = 1.0,
    high: float = 99.0,
    source: str = "near is large",
    space: str = "as given",
    polarity: str = "near is white",
) -> tuple[Tensor, float, float]:
    """(N, H, W) depth of any unit to (N, H, W) in [0, 1], with the near and the far value that were used.

    mode: "min-max" and "percentile" look at all frames together, "fixed" takes `near` and `far` in either order.
    Pixels that are not valid go to the far end, a constant depth goes to 0.5.
    """
    for value, choices in (
        (mode, DEPTH_RANGES),
        (source, DEPTH_SOURCES),
        (space, DEPTH_SPACES),
        (polarity, DEPTH_POLARITIES),
    ):
        choose(value, choices)
    device, depth = depth.device, depth.float().cpu()  # some GPUs have no double precision
    good = known(depth, source, space) if valid is None else known(depth, source, space) & valid.bool().cpu()
    if mode == "fixed":
        near, far = fixed_range(near, far, source, space)
    elif not good.any():
        raise ValueError(
            f"Expected depth in at least one pixel of the clip, got none in {len(depth)} frames: "
            "every pixel is sky, masked, zero or not a number; check the mask and what the depth comes from."
        )
    else:
        near, far = clip_range(depth, good, mode, source, low, high)
    nearer = -1 if source == "near is large" else 1
    # One frame at a time in double precision: exact for any float, and the clip is never held twice.
    frames = [
        farness(frame, near, far, space, nearer).where(seen, 1.0) for frame, seen in zip(depth, good, strict=True)
    ]
    picture = torch.stack(frames).float().to(device)
    return 1 - picture if polarity == "near is white" else picture, near, far


def farness(depth: Tensor, near: float, far: float, space: str, direction: int) -> Tensor:
    """(H, W) place between near (0) and far (1); where both are one value: 0.5 there, the ends on its two sides."""
    depth = depth.double()
    if math.isclose(near, far, rel_tol=1e-6):
        return 0.5 + 0.5 * direction * torch.sign(depth - near) * ((depth - near).abs() > 1e-6 * abs(near))
    if space == "inverse":
        depth, near, far = 1 / depth, 1 / near, 1 / far
    return ((depth - near) / (far - near)).clamp(0, 1)


def fixed_range(near: float, far: float, source: str, space: str) -> tuple[float, float]:
    """Near and far in the order that the source asks for."""
    small, large = sorted((near, far))
    if small == large or (small <= 0 and space == "inverse"):
        asked = "two numbers above 0" if space == "inverse" else "two different numbers"
        raise ValueError(f"Expected {asked} as near and far, got {near:g} and {far:g}: change one of them.")
    return (large, small) if source == "near is large" else (small, large)


def choose(value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"Expected one of {', '.join(choices)}, got {value!r}: choose one of these.")
