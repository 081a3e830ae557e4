"""Optical flow: exact from rigid motion, and warping by it.

Flow is in pixels, last axis (dx, dy). Letters: P pairs of frames, G rigid owners (a bone, an object, the room),
H and W pixels.
"""

import torch
from torch import Tensor

from ..view.camera import Camera


def relative_motion(pose_from: Tensor, pose_to: Tensor) -> Tensor:
    """(P, G, 3, 4) camera-space poses of two frames to the motion between them, (P, G, 3, 4)."""
    turn = pose_to[..., :3] @ pose_from[..., :3].transpose(-1, -2)
    shift = pose_to[..., 3:] - turn @ pose_from[..., 3:]
    return torch.cat((turn, shift), -1)


def rigid_flow(depth: Tensor, owner: Tensor, motion: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """The motion of each pixel's surface point: flow (P, H, W, 2) and its new depth (P, H, W).

    depth (P, H, W) in metres, owner (P, H, W) int64 below G, motion (P, G, 3, 4).
    """
    pairs, owners = motion.shape[:2]
    index = (owner + owners * torch.arange(pairs, device=owner.device)[:, None, None]).view(-1)
    still = torch.eye(3, 4, device=motion.device)
    moves = ((motion - still).abs().amax((2, 3)) > 1e-6).view(-1)
    # Under a still camera most of a picture does not move: compute only what does.
    pixel = moves[index].nonzero()[:, 0]
    index = index[pixel]
    ray = camera.rays(depth.device).view(-1, 3)[pixel % (camera.height * camera.width)]
    point = ray * depth.reshape(-1)[pixel, None]
    moved = (motion.reshape(-1, 3, 4)[index] @ torch.cat((point, torch.ones_like(point[:, :1])), 1)[..., None])[..., 0]
    flow = depth.new_zeros(depth.numel(), 2)
    flow[pixel] = camera.project(moved) - camera.project(point)
    new_depth = depth.reshape(-1).clone()
    new_depth[pixel] = moved[:, 2]
    return flow.view(*depth.shape, 2), new_depth.view(depth.shape)


def arrives(flow: Tensor, new_depth: Tensor, layer: Tensor, layer_to: Tensor, depth_to: Tensor) -> Tensor:
    """(P, H, W) bool: the point is inside the next picture and visible there.

    All four pixels around the arrival must show the same layer at the expected depth.
    """
    height, width = flow.shape[1:3]
    layer, layer_to, depth_to = layer.reshape(-1), layer_to.reshape(-1), depth_to.reshape(-1)
    valid = layer_to == layer
    pixel = (flow != 0).any(-1).view(-1).nonzero()[:, 0]
    row = torch.div(pixel, width, rounding_mode="floor")
    flow, expected, layer = flow.view(-1, 2)[pixel], new_depth.reshape(-1)[pixel], layer[pixel]
    to_x, to_y = pixel - row * width + flow[:, 0], row % height + flow[:, 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1) & (expected > 0)
    left, top = to_x.floor().clamp(0, width - 1).long(), to_y.floor().clamp(0, height - 1).long()
    right, low = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    first = row - row % height
    for line in (top, low):
        for column in (left, right):
            near = (first + line) * width + column
            inside &= (layer_to[near] == layer) & ((depth_to[near] - expected).abs() < 0.02 * expected)
    valid[pixel] = inside
    return valid.view(new_depth.shape)


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Fetch (P, H, W, C) images at the end points of (P, H, W, 2) flow, bilinear; the border is repeated."""
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


def colour_wheel(offset: Tensor, max_motion: float | Tensor) -> Tensor:
    """(..., 2) offsets to (..., 3) colours in [0, 1]: the hue is the direction, white is no motion, full colour max_motion."""
    size = (offset.norm(dim=-1, keepdim=True) / max_motion).clamp(0, 1)
    direction = torch.atan2(offset[..., 1:], offset[..., :1])
    thirds = torch.arange(3, device=offset.device, dtype=offset.dtype) * (2 * torch.pi / 3)
    return 1 - size * (0.5 - 0.5 * torch.cos(direction - thirds))
