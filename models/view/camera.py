"""A pinhole camera that moves along a clip.

World axes: x right, y up, z towards the viewer. Camera axes as in OpenCV: x right, y down, z forward.
Letters: F frames, H and W pixels. Pixel centres lie at integer coordinates.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """Intrinsics shared by all frames, extrinsics per frame."""

    rotation: Tensor  # (F, 3, 3) world to camera
    position: Tensor  # (F, 3) in the world
    focal: float  # pixels
    height: int
    width: int

    @property
    def centre(self) -> tuple[float, float]:
        return (self.width - 1) / 2, (self.height - 1) / 2

    def refined(self, samples: int) -> "Camera":
        """The same view with each pixel cut into samples x samples."""
        return replace(self, focal=self.focal * samples, height=self.height * samples, width=self.width * samples)

    def frames(self, chunk: slice) -> "Camera":
        return replace(self, rotation=self.rotation[chunk], position=self.position[chunk])

    def is_still(self) -> bool:
        return bool((self.rotation == self.rotation[:1]).all() and (self.position == self.position[:1]).all())

    def to_camera(self, points: Tensor) -> Tensor:
        """(F, K, 3) world points to camera space."""
        return (points - self.position[:, None]) @ self.rotation.transpose(1, 2)

    def project(self, points: Tensor) -> Tensor:
        """(..., 3) camera points to (..., 2) pixels."""
        cx, cy = self.centre
        depth = points[..., 2].clamp_min(1e-6)
        return torch.stack((points[..., 0] / depth * self.focal + cx, points[..., 1] / depth * self.focal + cy), -1)

    def rays(self, device: torch.device | None = None) -> Tensor:
        """(H, W, 3) directions in camera space with z = 1, so that a ray's parameter is metric depth."""
        cx, cy = self.centre
        y = (torch.arange(self.height, device=device, dtype=torch.float32) - cy) / self.focal
        x = (torch.arange(self.width, device=device, dtype=torch.float32) - cx) / self.focal
        y, x = torch.meshgrid(y, x, indexing="ij")
        return torch.stack((x, y, torch.ones_like(x)), -1)


def look_at(position: Tensor, target: Tensor) -> Tensor:
    """(F, 3) positions and targets to (F, 3, 3) world-to-camera rotations with the horizon level."""
    forward = torch.nn.functional.normalize(target - position, dim=-1)
    down = torch.tensor([0.0, -1.0, 0.0], device=position.device).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(down, forward), dim=-1)
    return torch.stack((right, torch.linalg.cross(forward, right), forward), 1)
