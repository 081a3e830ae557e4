"""Paths of a camera that starts where the clip's own camera is.

Camera axes as in OpenCV: x right, y down, z forward; metres and degrees. Letters: N frames.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..choices import CAMERA_PATHS, EASES, check_choice
from .lens import Pinhole, moved


@dataclass(frozen=True)
class Pose:
    """Where a camera is, as seen from the clip's own."""

    rotation: Tensor  # (3, 3) from the clip's camera axes to this one's
    position: Tensor  # (3,) metres
    zoom: float = 1.0  # of the focal length

    def lens(self, focal: float, size: tuple[int, int]) -> Pinhole:
        return moved(self.rotation, -self.rotation @ self.position, focal, size, focal * self.zoom)


def progress_along(frames: int, ease: str = "smooth", loop: bool = False) -> Tensor:
    """(N,) parts of the path from 0 to 1; a loop goes there and back, so that the last frame leads to the first again."""
    check_choice(ease, EASES)
    if loop:
        part = torch.arange(frames, dtype=torch.float64) / max(frames, 1)
        part = 1 - (2 * part - 1).abs()
    else:
        part = torch.linspace(0, 1, frames, dtype=torch.float64)
    return part if ease == "linear" else part * part * (3 - 2 * part)


def pose_along(camera_path: str, amount: float, part: float, pivot: float = 1.0) -> Pose:
    """The pose at a part of a path; `pivot` metres ahead is what orbit and sway look at."""
    check_choice(camera_path, CAMERA_PATHS)
    still = Pose(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    way = amount * part
    if camera_path in ("dolly", "truck", "pedestal"):
        axis = {"dolly": (0, 0, 1), "truck": (1, 0, 0), "pedestal": (0, -1, 0)}[camera_path]
        return replace(still, position=way * torch.tensor(axis, dtype=torch.float64))
    if camera_path == "pan":
        return replace(still, rotation=turned(1, -math.radians(way)))
    if camera_path == "tilt":
        return replace(still, rotation=turned(0, -math.radians(way)))
    if camera_path == "zoom":
        return replace(still, zoom=amount**part)
    # Orbit and sway keep what is at the pivot in the middle.
    angle = math.radians(way) if camera_path == "orbit" else math.atan2(amount * math.sin(2 * math.pi * part), pivot)
    ahead = torch.tensor([0.0, 0.0, pivot], dtype=torch.float64)
    rotation = turned(1, angle)
    return replace(still, rotation=rotation, position=ahead - rotation.T @ ahead)


def turned(axis: int, angle: float) -> Tensor:
    """(3, 3) rotation about the axis x (0) or y (1), in radians."""
    sine, cosine = math.sin(angle), math.cos(angle)
    rows = {
        0: ((1, 0, 0), (0, cosine, -sine), (0, sine, cosine)),
        1: ((cosine, 0, sine), (0, 1, 0), (-sine, 0, cosine)),
    }[axis]
    return torch.tensor(rows, dtype=torch.float64)


def pose_of_viewer(info: dict, focal: float, height: int) -> Pose:
    """The pose of a camera of ComfyUI's 3-D nodes: y up, looking along -z, from the clip's camera at the origin."""
    place = lambda name: torch.tensor([float(info.get(name, {}).get(axis, 0.0)) for axis in "xyz"], dtype=torch.float64)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    position = place("position")
    if info.get("quaternion"):
        x, y, z, w = (float(info["quaternion"].get(axis, 0.0)) for axis in "xyzw")
        length = math.sqrt(x * x + y * y + z * z + w * w)
        if not length > 0:
            raise ValueError("camera_info: expected a quaternion, got zeros: set the camera again in the 3-D node.")
        x, y, z, w = x / length, y / length, z / length, w / length
        to_world = torch.tensor(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ],
            dtype=torch.float64,
        )
    else:
        back = torch.nn.functional.normalize(position - place("target"), dim=0)
        up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
        right = torch.nn.functional.normalize(torch.linalg.cross(up, back), dim=0)
        to_world = torch.stack((right, torch.linalg.cross(back, right), back), 1)
    own = float(info.get("fov") or 0.0)
    zoom = height / 2 / math.tan(math.radians(own) / 2) / focal if 0 < own < 180 else 1.0
    return Pose(flip @ to_world.T @ flip, flip @ position, zoom * float(info.get("zoom") or 1.0))


def pose_between(end: Pose, part: float) -> Pose:
    """The pose at a part of the way from the clip's camera to another one; it turns about one axis."""
    cosine = ((end.rotation.diagonal().sum() - 1) / 2).clamp(-1, 1).item()
    angle = math.acos(cosine)
    rotation = torch.eye(3, dtype=torch.float64)
    if angle > 1e-9:
        values, vectors = torch.linalg.eigh((end.rotation + end.rotation.T) / 2)
        axis = vectors[:, -1]  # that of the eigenvalue 1
        skew = torch.linalg.cross(torch.eye(3, dtype=torch.float64), axis.expand(3, 3), dim=1).T
        sine = (skew * (end.rotation - end.rotation.T) / 2).sum() / 2
        skew = -skew if sine < 0 else skew
        here = angle * part
        rotation = rotation + math.sin(here) * skew + (1 - math.cos(here)) * skew @ skew
    return Pose(rotation, part * end.position, end.zoom**part)
