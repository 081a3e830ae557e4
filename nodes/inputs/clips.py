"""Inputs of nodes for long clips, checked frame by frame so that nothing is copied.

Letters: N frames, K objects, H and W pixels.
"""

import torch
from torch import Tensor


def pictures(images: Tensor, name: str = "images") -> Tensor:
    """Finite (N, H, W, 1, 3 or 4) pictures in about 0..1 to (N, H, W, 3), the same memory where it can be."""
    from . import checks

    images = checks.picture(images, name)
    for index, frame in enumerate(images):
        low, high = frame.aminmax()
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise ValueError(
                f"{name}: expected finite numbers, got NaN or infinite values in frame {index}: the node that generated "
                "them failed, often by half precision."
            )
        if max(-low, high) > 1.5:
            raise ValueError(f"{name}: expected values from 0 to 1, got up to {high:g} (0..255?): divide them first.")
    return images


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
    for plane in mask:
        checks.finite(plane[None], name)
    return mask


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
        checks.depth(plane[:: max(1, len(plane) // 4)], name)  # a heat map is coloured in every frame
        plane = plane[..., 0]
    if len(plane) not in (1, frames):
        raise ValueError(
            f"{name}: expected depth of 1 or {frames} frames, got {len(plane)}: take the depth of the same frames."
        )
    return plane.expand(frames, -1, -1) if len(plane) == 1 else plane, depth_type


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
