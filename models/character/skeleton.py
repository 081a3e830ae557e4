"""Flat joints to joints in space: the length of a limb gives how far it leans, depth gives the direction.

A limb that is shorter in the picture than in space leans by the missing side of a triangle (Taylor, CVIU 2000); whether
it leans towards the camera or away from it follows from depth. Camera axes as in OpenCV, metres.
Letters: N frames, 18 OpenPose joints, H and W pixels.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..stage.body.character import Character, build_body
from ..stage.body.skeleton import Angles, openpose_joints, pose_bones
from .interpolate import interpolate_gaps

FOCAL = 1.5  # longer sides of a picture: the focal length where it is not given
MIN_CONFIDENCE = 0.3  # joints with less confidence count as missing
SPINE, HIPS, SHOULDERS = (1, (8, 11)), (8, 11), (2, 5)
LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
CHAIN = ((1, 2), (1, 5), (1, 8), (1, 11), *LIMBS, (1, 0), (0, 14), (0, 15), (14, 16), (15, 17))


@cache
def standard_joints() -> tuple[Tensor, float]:
    """(18, 3) joints of the standard body upright, y up, and the radius of its head."""
    body = build_body(Character())
    turns, origins = pose_bones(Angles.rest(1), body.offsets)
    return openpose_joints(turns, origins, body.head_radius)[0], body.head_radius


def standard_length(a: int, b: int) -> float:
    joints, _ = standard_joints()
    return (joints[a] - joints[b]).norm().item()


def complete_joints(points: Tensor, scores: Tensor) -> Tensor:
    """(N, 18, 2) pixels without gaps: what is missing for a while is interpolated, what is missing throughout hangs as at rest."""
    visible = scores > MIN_CONFIDENCE
    if not (visible[:, 1] | (visible[:, 2] & visible[:, 5])).any():
        raise ValueError(
            "keypoints: expected a person with neck or shoulders in at least one frame, got none: check the detector."
        )
    out = points.where(visible[..., None], torch.nan)
    out[:, 1] = out[:, 1].where(visible[:, 1, None], out[:, [2, 5]].mean(1))
    for joint in range(18):
        for axis in range(2):
            out[:, joint, axis] = interpolate_gaps(out[:, joint, axis])
    rest, _ = standard_joints()
    flat = torch.stack((rest[:, 0], -rest[:, 1]), -1)
    for parent, child in CHAIN:
        if torch.isnan(out[:, child]).any():
            out[:, child] = out[:, parent] + (flat[child] - flat[parent]) * pixels_per_metre(out)[:, None]
    return out


def pixels_per_metre(points: Tensor) -> Tensor:
    """(N,) size of the person: the longest limbs and the trunk lie about in the picture plane, the others lean."""
    length = lambda a, b: (points[:, a] - points[:, b]).norm(dim=-1) / standard_length(a, b)
    ratios = torch.stack([length(a, b) for a, b in (*LIMBS, (1, 8), (1, 11))], -1)
    ratios = torch.nan_to_num(ratios)
    best = ratios.topk(3, -1).values.mean(-1).clamp_min(1e-3)
    window = torch.nn.functional.pad(best[None, None], (4, 4), mode="replicate")[0, 0].unfold(0, 9, 1)
    return window.median(-1).values


def depth_difference(across: Tensor, length: float, toward: Tensor) -> Tensor:
    """(N,) metres in depth of a limb that is (N,) metres across the picture; toward (N,) in -1..1, positive is nearer."""
    return -toward * (length**2 - across.square()).clamp_min(0).sqrt()


def lift_joints(points: Tensor, scores: Tensor, near: Tensor | None, height: int, width: int) -> tuple[Tensor, float]:
    """(N, 18, 2) pixels, (N, 18) scores and nearness at the joints (N, 18) to joints (N, 18, 3), and the focal length."""
    flat = complete_joints(points, scores)
    scale = pixels_per_metre(flat)
    away = joint_depths(flat, scale, lambda a, b: direction(near, a, b))
    joints, focal = in_camera(flat, away, scale, height, width)
    face = (scores > MIN_CONFIDENCE)[:, [0]] & (scores > MIN_CONFIDENCE)[:, 14:16].any(1, keepdim=True)
    return add_head(joints, face), focal


def joint_depths(flat: Tensor, scale: Tensor, toward: Callable[[int, int], Tensor | float]) -> Tensor:
    """(N, 18) metres of each joint behind the neck; toward(a, b) in -1..1 is positive where b is nearer than a."""
    metres = flat / scale[:, None, None]
    away = torch.zeros(flat.shape[:2])

    def place(parent: int, child: int) -> None:
        across = (metres[:, child] - metres[:, parent]).norm(dim=-1)
        away[:, child] = away[:, parent] + depth_difference(
            across, standard_length(parent, child), toward(parent, child)
        )

    for pair in (SHOULDERS, HIPS):
        across = (metres[:, pair[1]] - metres[:, pair[0]]).norm(dim=-1)
        turn = depth_difference(across, standard_length(*pair), toward(*pair)) / 2
        away[:, pair[0]], away[:, pair[1]] = -turn, turn
    for parent, child in LIMBS:
        place(parent, child)
    return away


def in_camera(flat: Tensor, away: Tensor, scale: Tensor, height: int, width: int) -> tuple[Tensor, float]:
    """(N, 18, 2) pixels with their (N, 18) metres behind the neck to joints (N, 18, 3), and the focal length."""
    focal, centre = FOCAL * max(height, width), flat.new_tensor(((width - 1) / 2, (height - 1) / 2))
    depth = (focal / scale[:, None] + away)[..., None]
    return torch.cat(((flat - centre) * depth / focal, depth), -1), focal


def direction(near: Tensor | None, start: int, end: int) -> Tensor | float:
    """(N,) in -1..1, positive where the end is nearer than the start; a small difference gives a small value."""
    if near is None:
        return 0.0
    spread = near[:, 1:14].std(1).clamp_min(1e-9)
    return torch.tanh(2 * (near[:, end] - near[:, start]) / spread)


def add_head(joints: Tensor, face: Tensor) -> Tensor:
    """(N, 18, 3) with nose, eyes and ears on a round head that faces where the nose points, or as the chest does."""
    rest, radius = standard_joints()
    neck, nose = joints[:, 1], joints[:, 0]
    up = normalize(neck - joints[:, list(HIPS)].mean(1), dim=-1)
    across = normalize(joints[:, 5] - joints[:, 2], dim=-1)
    forward = torch.linalg.cross(across, up)
    middle = neck + (rest[14, 1] - rest[1, 1]) * up
    flat = ((nose - middle) * nose.new_tensor((1.0, 1.0, 0.0))) / (1.15 * radius)
    depth = -(1 - flat.square().sum(-1)).clamp_min(0).sqrt()
    look = torch.where(face, torch.cat((flat[:, :2], depth[:, None]), -1), forward)
    ahead = normalize(look - (look * up).sum(-1, keepdim=True) * up, dim=-1)
    side = torch.linalg.cross(up, ahead)
    head = neck + (rest[16, 1] - 1.2 * radius - rest[1, 1]) * up
    out = joints.clone()
    for joint, (x, y, z) in {
        0: (0.0, 1.0, 1.15), 14: (-0.38, 1.32, 0.9), 15: (0.38, 1.32, 0.9), 16: (-0.98, 1.2, 0.0), 17: (0.98, 1.2, 0.0),
    }.items():  # fmt: skip
        out[:, joint] = head + radius * (x * side + y * up + z * ahead)
    return out


def sample_at(plane: Tensor, points: Tensor) -> Tensor:
    """(H, W) at (18, 2) pixels, the nearest pixel inside the picture."""
    height, width = plane.shape
    x, y = points.round().long().unbind(-1)
    return plane[y.clamp(0, height - 1), x.clamp(0, width - 1)]
