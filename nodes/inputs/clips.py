"""Inputs of nodes for long clips, checked frame by frame so that nothing is copied.

Letters: N frames, K objects, H and W pixels.
"""

import torch
from torch import Tensor

ALMOST_ALL = 0.9  # of the picture
OTHER_SHAPE = 0.1  # by which width to height of a mask and of its clip differ


def pictures(images: Tensor, name: str = "images") -> Tensor:
    """Finite (N, H, W, 1, 3 or 4) pictures to (N, H, W, 3), the same memory where it can be; HDR stays."""
    from . import checks

    return checks.pictures(images, name)


def masks(mask: Tensor, name: str, frames: int | None = None) -> Tensor:
    """(N, h, w) or (h, w) masks to (N, h, w) of any size, the same memory; N is 1 or `frames`."""
    from . import checks

    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or 0 in mask.shape:
        raise ValueError(
            f"{name}: expected a MASK batch (N, H, W), got {checks.describe(mask)}: connect a mask output."
        )
    mask = mask[None] if mask.ndim == 2 else mask
    if frames is not None and len(mask) not in (1, frames):
        raise ValueError(
            f"{name}: expected 1 or {frames} masks for {frames} frames, got {len(mask)}: trim or repeat them."
        )
    checks.mask_values(mask, name)
    return mask


def mask_warning(name: str, masks: Tensor, size: tuple[int, int]) -> str | None:
    """A sentence on masks (N, h, w) for a clip of a size (H, W) that are white almost everywhere or of another shape."""
    (high, wide), (height, width) = masks.shape[1:], size
    lines = []
    if sum(mask.float().mean().item() for mask in masks) > ALMOST_ALL * len(masks):
        lines.append(
            f"{name}: expected white where the subject is, got masks that are white almost everywhere: if they are white "
            "around the subject, put Invert Mask in front."
        )
    if abs(wide * height - high * width) > OTHER_SHAPE * high * width:
        lines.append(
            f"{name}: expected the shape of the clip of {width} x {height}, got {wide} x {high}, which is stretched to fit: "
            "check that the mask is of this clip and turned as it is."
        )
    return " ".join(lines) or None


def depth(depth: Tensor | dict, depth_type: str, frames: int, name: str = "depth") -> tuple[Tensor, str]:
    """A depth picture or a geometry to depth (N or 1, h, w) and its depth type; sky becomes infinitely far."""
    from ...models.choices import DEPTH_TYPES, check_choice
    from . import checks
    from .depth import read_depth

    check_choice(depth_type, DEPTH_TYPES)
    if isinstance(depth, dict):
        plane, valid, depth_type = read_depth(depth, depth_type)
        plane = plane if valid.all() else torch.where(valid, plane, torch.inf)
    else:
        plane = checks.picture(depth, name)
        checks.refuse_colours(plane, name)
        plane = plane[..., 0]
    if len(plane) not in (1, frames):
        raise ValueError(
            f"{name}: expected depth of 1 or {frames} frames, got {len(plane)}: take the depth of the same frames."
        )
    check_known(plane, depth_type, name)
    return plane.expand(frames, -1, -1) if len(plane) == 1 else plane, depth_type


def check_known(depth: Tensor, depth_type: str, name: str) -> None:
    """Refuses (N, h, w) depth with a frame of NaN alone, or without any depth; elsewhere NaN is no depth at that pixel."""
    from ...models.depth.range import valid_pixels

    lost = next((index for index, frame in enumerate(depth) if torch.isnan(frame).all()), None)
    if lost is not None:
        raise ValueError(
            f"{name}: expected depth in every frame, got only NaN in frame {lost}: the node that generated it failed, "
            "often by half precision."
        )
    if not any(valid_pixels(frame, depth_type).any() for frame in depth):
        raise ValueError(
            f"{name}: expected depth in at least one pixel of {len(depth)} frames, got none: check what it comes from."
        )


def same_size(name: str, clip: Tensor, size: tuple[int, int], frames: int, like: str = "the clip") -> Tensor:
    """Refuses a clip (n, h, w, ...) of another size, or of neither 1 nor as many frames."""
    if tuple(clip.shape[1:3]) != tuple(size):
        raise ValueError(
            f"{name}: expected pictures of {size[1]} x {size[0]} like {like}, got {clip.shape[2]} x {clip.shape[1]}: "
            "put Upscale Image in front of it."
        )
    if len(clip) not in (1, frames):
        raise ValueError(f"{name}: expected 1 or {frames} frames like {like}, got {len(clip)}: trim or repeat them.")
    return clip


def layers(value: object):
    """DUET_LAYERS as models/layers reads them."""
    from ...models.layers.layers import read_layers

    return read_layers(value)
