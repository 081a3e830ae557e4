"""Depth pictures changed: levels, two clips blended, one object moved in depth.

Letters: N frames, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ..choices import DEPTH_BLENDS
from ..opencv import import_cv2
from .range import choose

ROUNDING = 1e-5  # a grey that differs by less is the same
BARE = 0.05  # a mask below this has nothing of the object


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
