"""Depth of a whole clip at once: one range for all frames, so that a still pixel keeps its value.

Letters: N frames, H and W pixels.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .choices import DEPTH_BLENDS, DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SOURCES, DEPTH_SPACES
from .opencv import import_cv2

ROUNDING = 1e-5  # a grey that differs by less is the same
BARE = 0.05  # a mask below this has nothing of the object


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


def remap(
    depth: Tensor,
    near: float = 1.0,
    far: float = 0.0,
    gamma: float = 1.0,
    invert: bool = False,
    amount: Tensor | float = 1.0,
) -> Tensor:
    """(N, H, W) in [0, 1] through levels: the greys from `far` to `near` fill the range, then gamma, then inversion.

    The lower of the two becomes black, whichever end it is. A gamma above 1 lifts the middle. `amount`, one number or (N,), blends from the original (0) to the result (1).
    """
    black, white = sorted((near, far))
    if black == white:
        raise ValueError(f"Expected two different greys as near and far, got {near:g} twice: move them apart.")
    if not gamma > 0:
        raise ValueError(f"Expected a gamma above 0, got {gamma:g}: 1 changes nothing.")
    result = ((depth - black) / (white - black)).clamp(0, 1) ** (1 / gamma)
    result = 1 - result if invert else result
    amount = torch.as_tensor(amount, dtype=depth.dtype, device=depth.device).clamp(0, 1)
    return torch.lerp(depth.clamp(0, 1), result, amount.reshape(-1, 1, 1))


def choose(value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"Expected one of {', '.join(choices)}, got {value!r}: choose one of these.")


def blend(
    first: Tensor, second: Tensor, amount: Tensor | float = 0.5, mode: str = "mix", mask: Tensor | None = None
) -> Tensor:
    """Two (N, H, W) clips in [0, 1] to one; `amount`, one number or (N,), leads from the first (0) to the result (1).

    mode: "mix" leads to the second, "nearest" and "farthest" to the one of both that is in front or behind, pixel by
    pixel. `mask` (N, H, W) scales the amount.
    """
    choose(mode, DEPTH_BLENDS)
    other = {"nearest": torch.maximum, "farthest": torch.minimum}.get(mode, lambda first, second: second)(first, second)
    amount = torch.as_tensor(amount, dtype=first.dtype, device=first.device).clamp(0, 1).reshape(-1, 1, 1)
    return torch.lerp(first, other, (amount if mask is None else amount * mask).expand_as(first))


def move_object(
    depth: Tensor,
    mask: Tensor,
    target: Tensor,
    relief: float = 1.0,
    feather: float = 0.0,
    occlude: bool = True,
    behind: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(N, H, W) depth in [0, 1], near is white, with the object of (N, H, W) masks brought to (N,) greys; and where it changed, bool.

    The mean of the object becomes the target, its deviations are scaled by `relief`. What lies behind it is `behind`
    or, unknown, the nearest pixel around it; `occlude` lets that hide the object wherever it is nearer.
    """
    inside, outside = mask > 0.5, mask < BARE
    if not inside.any():
        raise ValueError(
            f"mask: expected an object, got {len(mask)} masks without a pixel above 0.5: check what makes the mask."
        )
    out = depth.clone()
    for k in inside.flatten(1).any(1).nonzero()[:, 0].tolist():
        around = nearest_known(depth[k], outside[k]) if behind is None else depth[k].where(outside[k], behind[k])
        thing = (target[k] + relief * (depth[k] - depth[k][inside[k]].mean())).clamp(0, 1)
        thing = nearest_known(thing, inside[k])  # a soft edge reaches beyond the object
        out[k] = torch.lerp(around, torch.maximum(thing, around) if occlude else thing, feathered(mask[k], feather))
    return out, (out - depth).abs() > ROUNDING


def nearest_known(values: Tensor, known: Tensor) -> Tensor:
    """(H, W) with every pixel that is not known taking the value of the nearest one that is; where none is: 0, the far end."""
    if not known.any():
        return torch.zeros_like(values)
    cv2 = import_cv2()
    unknown = (~known).to(torch.uint8).cpu().numpy()
    _, region = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    region = torch.from_numpy(region).long().to(values.device)
    of_region = values.new_zeros(int(region.max()) + 1)
    of_region[region[known]] = values[known]
    return torch.where(known, values, of_region[region])


def feathered(mask: Tensor, pixels: float) -> Tensor:
    """(H, W) mask whose edge at 0.5 fades evenly over a width in pixels, half of it inside; 0 keeps the mask's own edge."""
    if pixels <= 0:
        return mask
    cv2 = import_cv2()
    inside = (mask > 0.5).to(torch.uint8).cpu().numpy()
    within, beyond = (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in (inside, 1 - inside))
    # Distances are between pixel centres; the edge lies half a pixel before the other side.
    signed = torch.from_numpy(np.where(inside, within - 0.5, 0.5 - beyond)).to(mask)
    return (0.5 + signed / pixels).clamp(0, 1)
