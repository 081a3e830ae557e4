"""Fifteen bones, their forward kinematics and the 18 OpenPose joints that ride on them.

At rest the person stands upright, arms hanging, facing +z. The person's right side has negative x.
Letters: F frames, B bones.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BONES = (
    "pelvis", "chest", "head",
    "right_upper_arm", "right_forearm", "right_hand", "left_upper_arm", "left_forearm", "left_hand",
    "right_thigh", "right_shin", "right_foot", "left_thigh", "left_shin", "left_foot",
)  # fmt: skip
PARENTS = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13)
INDEX = {name: i for i, name in enumerate(BONES)}

# The direction in which a positive bend turns each bone about its x axis: limbs swing forward, knees back, the spine bows.
_BEND = {"upper_arm": -1, "forearm": -1, "hand": -1, "thigh": -1, "foot": -1}


@dataclass
class Angles:
    """Joint angles in radians over F frames: bend (forward), open (away from the middle) and twist."""

    bend: Tensor  # (F, B)
    open: Tensor  # (F, B)
    twist: Tensor  # (F, B)
    heading: Tensor  # (F,) turn of the whole person about the vertical, 0 faces the camera
    ground: Tensor  # (F, 2) where the person stands, x and z in metres
    lift: Tensor  # (F,) height of the lower foot above the floor

    @classmethod
    def rest(cls, frames: int) -> "Angles":
        zeros = lambda *shape: torch.zeros(frames, *shape)
        bones = len(BONES)
        return cls(zeros(bones), zeros(bones), zeros(bones), zeros(), zeros(2), zeros())

    @classmethod
    def a_pose(cls, frames: int = 1) -> "Angles":
        """The canonical pose of a reference picture: facing the camera, arms 40 degrees open."""
        pose = cls.rest(frames)
        for side in ("right", "left"):
            pose.open[:, INDEX[f"{side}_upper_arm"]] = 0.7
            pose.open[:, INDEX[f"{side}_thigh"]] = 0.12
        return pose


def rotation(angle: Tensor, axis: int) -> Tensor:
    """(...,) angles to (..., 3, 3) rotations about a coordinate axis."""
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    rows = {
        0: (one, zero, zero, zero, cos, -sin, zero, sin, cos),
        1: (cos, zero, sin, zero, one, zero, -sin, zero, cos),
        2: (cos, -sin, zero, sin, cos, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, -1).reshape(*angle.shape, 3, 3)


def bone_rotations(angles: Angles) -> Tensor:
    """(F, B, 3, 3) rotations relative to the parent bone."""
    side = torch.tensor([-1.0 if name.startswith("right") else 1.0 for name in BONES])
    bend = torch.tensor([float(_BEND.get(name.split("_", 1)[-1], 1)) for name in BONES])
    local = rotation(angles.open * side, 2) @ rotation(angles.bend * bend, 0) @ rotation(angles.twist * side, 1)
    local[:, 0] = rotation(angles.heading, 1) @ local[:, 0]
    return local


def pose_bones(angles: Angles, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Forward kinematics: joint angles and (B, 3) offsets to the parent give rotations (F, B, 3, 3), origins (F, B, 3).

    The pelvis stays at the origin of the world; `stand` puts the feet on the floor.
    """
    local = bone_rotations(angles)
    turns, origins = [local[:, 0]], [torch.zeros(local.shape[0], 3)]
    for bone in range(1, len(BONES)):
        parent = PARENTS[bone]
        turns.append(turns[parent] @ local[:, bone])
        origins.append(origins[parent] + turns[parent] @ offsets[bone])
    return torch.stack(turns, 1), torch.stack(origins, 1)


def openpose_joints(rotations: Tensor, origins: Tensor, head_radius: float) -> Tensor:
    """(F, 18, 3) joints in OpenPose order from bone rotations and origins."""
    head, turn = origins[:, INDEX["head"]], rotations[:, INDEX["head"]]
    on_head = lambda x, y, z: head + turn @ (torch.tensor([x, y, z]) * head_radius)
    bone = lambda name: origins[:, INDEX[name]]
    shoulders = bone("right_upper_arm"), bone("left_upper_arm")
    return torch.stack(
        (
            on_head(0.0, 1.0, 1.15),
            (shoulders[0] + shoulders[1]) / 2,
            shoulders[0], bone("right_forearm"), bone("right_hand"),
            shoulders[1], bone("left_forearm"), bone("left_hand"),
            bone("right_thigh"), bone("right_shin"), bone("right_foot"),
            bone("left_thigh"), bone("left_shin"), bone("left_foot"),
            on_head(-0.38, 1.32, 0.9), on_head(0.38, 1.32, 0.9),
            on_head(-0.98, 1.2, 0.0), on_head(0.98, 1.2, 0.0),
        ),
        1,
    )  # fmt: skip
