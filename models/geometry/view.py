"""The camera of exported geometry: where it is, and its lens as other programs write it.

Letters: F frames.
"""

import math

import torch
from torch import Tensor

from ..view.camera import Camera

TURN = torch.tensor(
    [1.0, -1.0, -1.0]
)  # OpenCV's camera axes (y down, z forward) to those of glTF and USD (y up, z back)


def still_camera(frames: int, focal: float, height: int, width: int) -> Camera:
    """A camera at the origin that looks along -z, so that the world has the camera's axes."""
    return Camera(torch.diag(TURN).expand(frames, 3, 3), torch.zeros(frames, 3), focal, height, width)


def posed_camera(extrinsics: Tensor, focal: float, height: int, width: int) -> Camera:
    """(F, 3 or 4, 4) matrices from OpenCV's world to the camera, in a world turned to y up."""
    rotation, offset = extrinsics[:, :3, :3].float(), extrinsics[:, :3, 3].float()
    position = -(rotation.transpose(1, 2) @ offset[..., None])[..., 0]
    return Camera(rotation * TURN, position * TURN, focal, height, width)


def camera_to_world(camera: Camera) -> Tensor:
    """(F, 4, 4) matrices that place a camera which looks along -z with y up; they multiply columns."""
    matrices = torch.eye(4).repeat(len(camera.position), 1, 1)
    matrices[:, :3, :3] = camera.rotation.transpose(1, 2) * TURN
    matrices[:, :3, 3] = camera.position
    return matrices


def vertical_view(camera: Camera) -> float:
    """Vertical field of view in radians."""
    return 2 * math.atan(camera.height / 2 / camera.focal)
