"""POSE_KEYPOINT to a posed body: from 18 flat joints of any detector, or from joints in space where somebody knows them.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..pose import formats
from .motion_code import Motion, pose_body
from .skeleton import SURE, lift, sample

SPACE = "pose_keypoints_3d"  # per person: 18 times x, y, z, score in metres, camera axes as in OpenCV


def posed(keypoints: list, near: Callable[[int], Tensor] | None, height: int, width: int) -> Motion:
    """The first person of N frames before a camera of (H, W); near gives the nearness (H, W) of a frame."""
    frame = formats.parse(keypoints)[0]
    points, scores = formats.joints(keypoints)
    points = (points + 0.5) * torch.tensor([width / frame.width, height / frame.height]) - 0.5
    present = (scores > SURE).any(1)
    space = joints_in_space(keypoints)
    if space is not None:
        return pose_body(space, focal_length(points, scores, space, height, width), height, width, present)
    depths = None if near is None else torch.stack([sample(near(i), points[i]) for i in range(len(points))])
    joints, focal = lift(points, scores, depths, height, width)
    return pose_body(joints, focal, height, width, present)


def joints_in_space(keypoints: list) -> Tensor | None:
    """(N, 18, 3) of the first person where every frame has all 18 joints in space, else None."""
    out = []
    for frame in formats.as_clip(keypoints):
        people = frame.get("people") or []
        flat = people[0].get(SPACE) if people else None
        if flat is None or len(flat) != 72:
            return None
        out.append(torch.tensor(flat, dtype=torch.float32).view(18, 4))
    joints = torch.stack(out)
    return joints[..., :3] if torch.isfinite(joints).all() and (joints[..., 2:] > 0).all() else None


def focal_length(points: Tensor, scores: Tensor, joints: Tensor, height: int, width: int) -> float:
    """Pixels: what brings joints (N, 18, 3) nearest to where (N, 18, 2) shows them, by least squares."""
    seen = scores > SURE
    flat = (points - points.new_tensor([(width - 1) / 2, (height - 1) / 2]))[seen]
    slope = (joints[..., :2] / joints[..., 2:])[seen]
    return ((flat * slope).sum() / slope.square().sum().clamp_min(1e-9)).item()
