"""Keypoints of a detector to a posed body.

Detected joints err by pixels, are hidden for a while, and lie nearly on each other when a person is seen from the side. So
the body is as thick as its height asks for, its side follows from the face, the head is where its points are, and hidden
limbs follow from the body and from neighbours in time. Letters: N frames, 18 OpenPose joints, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..pose import formats
from ..pose.people import shows_person
from .facing import left_side_nearer
from .from_keypoints import body_from_keypoints, joints_in_space
from .head import POINTS, fit_head, yaw_of
from .interpolate import interpolate_gaps
from .posed_body import PosedBody, pose_body
from .skeleton import (
    CHAIN,
    HIPS,
    LIMBS,
    MIN_CONFIDENCE,
    SHOULDERS,
    direction,
    in_camera,
    joint_depths,
    sample_at,
    standard_joints,
    standard_length,
)

THICKNESS = (1.35, 1.6)  # of the standard body, which is slim and wears little: people with clothes lie in between
REMEMBERED, FORGOTTEN = 6, 18  # frames: a limb hidden for up to the first keeps its direction, from the second it hangs
STRETCH = 1.1  # times its usual length that a hidden limb may have
WRONG = 1.7  # times its usual length: then the outer joint of a limb is not where it was found
AROUND = 4  # frames on each side over which the size is taken


def body_from_detector(keypoints: list, nearness: Callable[[int], Tensor] | None, height: int, width: int) -> PosedBody:
    """The body of the first person of N frames in a camera of (H, W); nearness gives the (H, W) nearness of a frame."""
    if joints_in_space(keypoints) is not None:
        return body_from_keypoints(keypoints, nearness, height, width)
    frame = formats.parse(keypoints)[0]
    points, scores = formats.joints(keypoints)
    points = (points + 0.5) * torch.tensor([width / frame.width, height / frame.height]) - 0.5
    present = torch.from_numpy(shows_person(torch.cat((points, scores[..., None]), -1).numpy(), MIN_CONFIDENCE))
    scores = scores * present[:, None]
    flat, scale = whole_joints(points, scores)
    near = None if nearness is None else torch.stack([sample_at(nearness(i), flat[i]) for i in range(len(flat))])
    joints, focal = lift_detected(flat, scores, scale, near, (height, width))
    return pose_body(joints, focal, height, width, present, THICKNESS)


def whole_joints(points: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 18, 2) pixels without gaps and (N,) pixels a metre; a hidden joint keeps its place relative to its limb."""
    visible = scores > MIN_CONFIDENCE
    if not (visible[:, 1] | visible[:, list(SHOULDERS)].all(1)).any():
        raise ValueError(
            "keypoints: expected a person with neck or shoulders in at least one frame, got none: check the detector."
        )
    known = points.where(visible[..., None], torch.nan)
    known[:, 1] = known[:, 1].where(visible[:, 1, None], known[:, list(SHOULDERS)].mean(1))
    scale = steady_scale(known)
    for parent, child in LIMBS:
        length = (known[:, child] - known[:, parent]).norm(dim=-1)
        known[length > WRONG * standard_length(parent, child) * scale, child] = torch.nan
    out = known.clone()
    out[:, 1] = torch.stack([interpolate_gaps(known[:, 1, axis]) for axis in range(2)], -1)
    for parent, child in CHAIN:
        step = limb_steps((known[:, child] - known[:, parent]) / scale[:, None], parent, child)
        out[:, child] = known[:, child].where(torch.isfinite(known[:, child]), out[:, parent] + step * scale[:, None])
    return out, scale


def steady_scale(known: Tensor) -> Tensor:
    """(N,) pixels a metre by the longest limbs that are visible, the median over neighbours in time."""
    ratios = [(known[:, a] - known[:, b]).norm(dim=-1) / standard_length(a, b) for a, b in (*LIMBS, (1, 8), (1, 11))]
    ratios = torch.stack(ratios, -1)
    ratios = ratios.where(
        ratios < 2 * ratios.nanmedian(1, keepdim=True).values, torch.nan
    )  # without joints that jumped
    enough = torch.isfinite(ratios).sum(1) >= 3
    if enough.any():
        best = torch.nan_to_num(ratios).topk(3, -1).values.mean(-1)
    else:  # a portrait: the shoulders alone give the size
        best = (known[:, 2] - known[:, 5]).norm(dim=-1) / standard_length(*SHOULDERS)
        enough = torch.isfinite(best)
    best = interpolate_gaps(best.where(enough, torch.nan)).nan_to_num(1.0).clamp_min(1e-3)
    window = torch.nn.functional.pad(best[None, None], (AROUND, AROUND), mode="replicate")[0, 0]
    return window.unfold(0, 2 * AROUND + 1, 1).median(-1).values


def limb_steps(steps: Tensor, parent: int, child: int) -> Tensor:
    """(N, 2) metres from a joint to the next, NaN where unknown, to those without gaps: after a while a limb hangs."""
    rest, _ = standard_joints()
    hanging = torch.stack((rest[child, 0] - rest[parent, 0], rest[parent, 1] - rest[child, 1])).expand_as(steps)
    found = torch.isfinite(steps[:, 0])
    if not found.any():
        return hanging
    frames = torch.arange(len(steps))
    since = (frames[:, None] - found.nonzero()[:, 0]).abs().min(1).values
    kept = 1 - ((since - REMEMBERED) / (FORGOTTEN - REMEMBERED)).clamp(0, 1)
    between = torch.stack([interpolate_gaps(steps[:, axis]) for axis in range(2)], -1)
    step = hanging.lerp(between, kept[:, None])
    longest = STRETCH * standard_length(parent, child)
    return step * (longest / step.norm(dim=-1, keepdim=True).clamp_min(1e-6)).clamp_max(1)


def lift_detected(
    flat: Tensor, scores: Tensor, scale: Tensor, near: Tensor | None, size: tuple[int, int]
) -> tuple[Tensor, float]:
    """(N, 18, 2) pixels to joints (N, 18, 3) and the focal length; without depth the face gives which side is nearer."""
    side = left_side_nearer(flat, scores, scale)

    def toward(a: int, b: int) -> Tensor | float:
        by_depth = direction(near, a, b)
        return (side + by_depth).clamp(-1, 1) if (a, b) in (SHOULDERS, HIPS) else by_depth

    away = joint_depths(flat, scale, toward)
    metres = torch.cat((flat / scale[:, None, None], away[..., None]), -1)
    head = head_points(metres, scores)
    flat, away = flat.clone(), away.clone()
    flat[:, POINTS], away[:, POINTS] = head[..., :2] * scale[:, None, None], head[..., 2]
    return in_camera(flat, away, scale, *size)


def head_points(metres: Tensor, scores: Tensor) -> Tensor:
    """(N, 5, 3) metres of nose, eyes and ears from (N, 18, 3) joints, whose head is flat, and (N, 18) scores."""
    rest, radius = standard_joints()
    neck = metres[:, 1]
    up = torch.nn.functional.normalize(neck[:, :2] - metres[:, list(HIPS), :2].mean(1), dim=-1)
    ears = neck[:, :2] + (rest[16, 1] - rest[1, 1]) * up
    turn = torch.stack((yaw_of(metres[:, 5] - metres[:, 2]), *2 * [torch.zeros(len(metres))]), -1)
    seen = scores[:, POINTS].where(scores[:, POINTS] > MIN_CONFIDENCE, torch.zeros(()))
    usual = torch.cat((ears / radius, turn), 1)
    head = fit_head(metres[:, POINTS, :2] / radius, seen, usual) * radius
    return head + torch.stack((*2 * [torch.zeros(len(neck))], neck[:, 2]), -1)[:, None]
