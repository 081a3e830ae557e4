"""POSE_KEYPOINT to a posed body: from 18 flat joints of any detector, or from joints in space where they are given.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..pose import formats
from .posed_body import PosedBody, pose_body
from .skeleton import MIN_CONFIDENCE, lift_joints, sample_at

SPACE = "pose_keypoints_3d"  # per person: 18 times x, y, z, score in metres, camera axes as in OpenCV


def body_from_keypoints(
    keypoints: list, nearness: Callable[[int], Tensor] | None, height: int, width: int
) -> PosedBody:
    """The body of the first person of N frames in a camera of (H, W); nearness gives the (H, W) nearness of a frame."""
    frame = formats.parse(keypoints)[0]
    points, scores = formats.joints(keypoints)
    points = (points + 0.5) * torch.tensor([width / frame.width, height / frame.height]) - 0.5
    present = (scores > MIN_CONFIDENCE).any(1)
    space = joints_in_space(keypoints)
    if space is not None:
        return pose_body(space, focal_length(points, scores, space, height, width), height, width, present)
    near = None if nearness is None else torch.stack([sample_at(nearness(i), points[i]) for i in range(len(points))])
    joints, focal = lift_joints(points, scores, near, height, width)
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
    """Pixels: the focal length that projects joints (N, 18, 3) closest to points (N, 18, 2), by least squares."""
    visible = scores > MIN_CONFIDENCE
    flat = (points - points.new_tensor([(width - 1) / 2, (height - 1) / 2]))[visible]
    slope = (joints[..., :2] / joints[..., 2:])[visible]
    return ((flat * slope).sum() / slope.square().sum().clamp_min(1e-9)).item()
