"""Optical flow: exact from rigid motion, and warping by it.

Flow is in pixels, last axis (dx, dy). Letters: P pairs of frames, G rigid owners (a bone, an object, the room),
H and W pixels.
"""

import torch
from torch import Tensor

from .camera import Camera


def relative_motion(pose_from: Tensor, pose_to: Tensor) -> Tensor:
    """(P, G, 3, 4) camera-space poses before and after to the motion between them, (P, G, 3, 4)."""
    turn = pose_to[..., :3] @ pose_from[..., :3].transpose(-1, -2)
    shift = pose_to[..., 3:] - turn @ pose_from[..., 3:]
    return torch.cat((turn, shift), -1)


def rigid_flow(depth: Tensor, owner: Tensor, motion: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Where each pixel's surface point goes: flow (P, H, W, 2) and its new depth (P, H, W).

    depth (P, H, W) in metres, owner (P, H, W) int64 below G, motion (P, G, 3, 4).
    """
    pairs, owners = motion.shape[:2]
    index = owner + owners * torch.arange(pairs, device=owner.device)[:, None, None]
    point = camera.rays(depth.device) * depth[..., None]
    x, y, z = point.unbind(-1)
    rows = motion.reshape(pairs * owners, 12).unbind(1)
    take = [row[index] for row in rows]
    moved = torch.stack([take[i] * x + take[i + 1] * y + take[i + 2] * z + take[i + 3] for i in (0, 4, 8)], -1)
    return camera.project(moved) - camera.project(point), moved[..., 2]


def arrives(flow: Tensor, new_depth: Tensor, layer: Tensor, layer_to: Tensor, depth_to: Tensor) -> Tensor:
    """(P, H, W) bool: the point is inside the next picture and is what is seen there.

    All four pixels around the arrival must show the same layer at the expected depth.
    """
    height, width = flow.shape[1:3]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    to_x, to_y = x + flow[..., 0], y + flow[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1) & (new_depth > 0)
    left, top = to_x.floor().clamp(0, width - 1).long(), to_y.floor().clamp(0, height - 1).long()
    right, low = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    pair = torch.arange(flow.shape[0], device=flow.device)[:, None, None] * height
    for line in (top, low):
        for column in (left, right):
            near = (pair + line) * width + column
            same = layer_to.reshape(-1)[near] == layer
            inside &= same & ((depth_to.reshape(-1)[near] - new_depth).abs() < 0.02 * new_depth)
    return inside


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Fetch (P, H, W, C) images at where (P, H, W, 2) flow points, bilinear; the border is repeated."""
    height, width = images.shape[1:3]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    grid = torch.stack(
        ((x + flow[..., 0]) * 2 / max(width - 1, 1) - 1, (y + flow[..., 1]) * 2 / max(height - 1, 1) - 1), -1
    )
    out = torch.nn.functional.grid_sample(
        images.permute(0, 3, 1, 2), grid.to(images.dtype), mode="bilinear", padding_mode="border", align_corners=True
    )
    return out.permute(0, 2, 3, 1)
