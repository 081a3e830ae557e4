"""Depth as input, a picture or a geometry, and as output.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def read_depth(depth: Tensor | dict, depth_type: str, name: str = "depth") -> tuple[Tensor, Tensor, str]:
    """A depth picture or a geometry to (N, H, W) depth, (N, H, W) bool where it counts, and its depth type."""
    from . import checks

    if not isinstance(depth, dict):
        depth = checks.depth(depth, name)
        return depth, torch.ones_like(depth, dtype=torch.bool), depth_type
    plane = depth.get("depth")
    if not isinstance(plane, Tensor) or plane.ndim != 3 or plane.numel() == 0:
        raise ValueError(
            f"{name}: expected a geometry with depth (N, H, W), got {checks.describe(plane)}: "
            "connect Run Depth Anything 3, Run MoGe Inference or a depth picture."
        )
    plane = plane.cpu()  # MoGe leaves its geometry on the GPU
    size = {"frames": len(plane), "size": plane.shape[1:]}
    valid = torch.ones_like(plane, dtype=torch.bool)
    if depth.get("mask") is not None:
        valid &= checks.mask(depth["mask"], "mask of the geometry", **size).cpu() > 0.5
    if depth.get("sky") is not None:
        valid &= checks.mask(depth["sky"], "sky of the geometry", **size).cpu() < 0.5
    return plane, valid, "distance"


def as_image(depth: Tensor) -> Tensor:
    """(N, H, W) to (N, H, W, 3) whose colours share their memory, as those of Convert Mask to Image do."""
    return depth[..., None].expand(-1, -1, -1, 3)


def by_frames(like: Tensor, frame_of: Callable[[int], Tensor]) -> Tensor:
    """(N, H, W, 3) pictures as many and as large as (N, H, W) planes, by a function from a frame to (H, W) or (H, W, 3).

    Frame by frame nothing else is held, the progress is visible, and Cancel stops the node.
    """
    from ..host.progress import progress

    report, out = progress(len(like)), like.new_empty(*like.shape[:3], 3, dtype=torch.float32)
    for index in range(len(like)):
        picture = frame_of(index)
        out[index] = picture if picture.ndim == 3 else picture[..., None]
        report(index + 1)
    return out


def grey(depth: Tensor, name: str = "depth") -> Tensor:
    """A depth picture from 0 to 1 as (N, H, W)."""
    from . import checks

    colours = checks.picture(depth, name)
    if (largest := checks.finite(depth[..., :3], name).abs().max().item()) > 1.5:
        raise ValueError(
            f"{name}: expected depth from 0 to 1, got up to {largest:g}: put Normalize Depth (Whole Video) in front of it."
        )
    return checks.depth(colours, name).clamp_(0, 1)


def grey_beside(other: Tensor, depth: Tensor, name: str) -> Tensor:
    """A depth picture from 0 to 1, one for the clip or one for each frame, as (N, H, W) like depth (N, H, W)."""
    from . import checks

    other = grey(other, name).to(depth.device)
    if len(other) > 1:
        checks.same_frames(**{"depth": depth, name: other})
    checks.same_size(**{"depth": depth, name: other})
    return other.expand_as(depth)
