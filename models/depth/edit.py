"""Depth pictures changed: levels, two clips blended, one object moved in depth.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..choices import DEPTH_BLENDS, check_choice
from ..opencv import import_cv2

ROUNDING = 1e-5  # a grey that differs by less is the same
OUTSIDE = 0.05  # a mask below this shows nothing of the object


def remap(
    depth: Tensor,
    near_grey: float = 1.0,
    far_grey: float = 0.0,
    gamma: float = 1.0,
    invert: bool = False,
    strength: Tensor | float = 1.0,
) -> Tensor:
    """(N, H, W) in [0, 1] through levels: the greys from far to near fill the range, then gamma, then inversion.

    The lower of the two becomes black, whichever end it is. A gamma above 1 lifts the middle. `strength`, one number or
    (N,), blends from the original (0) to the result (1).
    """
    black, white = sorted((near_grey, far_grey))
    if black == white:
        raise ValueError(
            f"Expected two different greys as near_grey and far_grey, got {near_grey:g} twice: move them apart."
        )
    if not gamma > 0:
        raise ValueError(f"Expected a gamma above 0, got {gamma:g}: 1 changes nothing.")
    result = ((depth - black) / (white - black)).clamp(0, 1) ** (1 / gamma)
    result = 1 - result if invert else result
    strength = torch.as_tensor(strength, dtype=depth.dtype, device=depth.device).clamp(0, 1)
    return torch.lerp(depth.clamp(0, 1), result, strength.reshape(-1, 1, 1))


def blend(
    depth: Tensor, other: Tensor, factor: Tensor | float = 0.5, blend_mode: str = "mix", mask: Tensor | None = None
) -> Tensor:
    """Two (N, H, W) clips in [0, 1] to one; `factor`, one number or (N,), leads from the first (0) to the result (1).

    blend_mode: "mix" leads to the other clip, "nearest" and "farthest" to the nearer or the farther of both, pixel by
    pixel. `mask` (N, H, W) scales the factor.
    """
    check_choice(blend_mode, DEPTH_BLENDS)
    result = {"nearest": torch.maximum, "farthest": torch.minimum}.get(blend_mode, lambda _, other: other)(depth, other)
    factor = torch.as_tensor(factor, dtype=depth.dtype, device=depth.device).clamp(0, 1).reshape(-1, 1, 1)
    return torch.lerp(depth, result, (factor if mask is None else factor * mask).expand_as(depth))


def move_object(
    depth: Tensor,
    object_mask: Tensor,
    greys: Tensor,
    relief: float = 1.0,
    feather: float = 0.0,
    occlude: bool = True,
    scene_depth: Tensor | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, Tensor]:
    """(N, H, W) depth in [0, 1], near is white, with the object of (N, H, W) masks brought to (N,) greys; and where it changed, bool.

    The mean of the object becomes its grey, its deviations are scaled by `relief`. Behind it is `scene_depth` or,
    without one, the nearest pixel around it; `occlude` lets that hide the object wherever it is nearer.
    """
    if not any((mask > 0.5).any() for mask in object_mask):
        raise ValueError(
            f"object_mask: expected an object, got {len(object_mask)} masks without a pixel above 0.5: check what "
            "generates the mask."
        )
    out, changed = depth.clone(), torch.zeros_like(depth, dtype=torch.bool)
    for k, mask in enumerate(object_mask):
        if (mask > 0.5).any():
            scene = None if scene_depth is None else scene_depth[k]
            out[k] = move_in_frame(depth[k], mask, greys[k], relief, feather, occlude, scene)
            changed[k] = (out[k] - depth[k]).abs() > ROUNDING
        report(k + 1)
    return out, changed


def move_in_frame(
    depth: Tensor, mask: Tensor, grey: Tensor, relief: float, feather: float, occlude: bool, scene_depth: Tensor | None
) -> Tensor:
    """move_object() in one frame (H, W) whose mask (H, W) shows the object."""
    inside, outside = mask > 0.5, mask < OUTSIDE
    around = fill_from_nearest(depth, outside) if scene_depth is None else depth.where(outside, scene_depth)
    moved = (grey + relief * (depth - depth[inside].mean())).clamp(0, 1)
    moved = fill_from_nearest(moved, inside)  # a soft edge reaches beyond the object
    result = torch.maximum(moved, around) if occlude else moved
    return torch.lerp(around, result, feathered(mask, feather))


def fill_from_nearest(values: Tensor, known: Tensor) -> Tensor:
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
