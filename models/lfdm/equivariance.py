"""Equivariance losses, which train regions without labels: a bent picture must have bent regions (stage 1).

Letters: B pictures, K regions, N points, H and W pixels.
"""

import torch
import torch.nn.functional as F
from einops import einsum
from torch import Tensor

from .layers import AntiAlias
from .regions import Regions, inverse, without_flip
from .warp import coordinate_grid

PYRAMID = (1.0, 0.5, 0.25, 0.125)  # sizes at which a rendered picture is compared with the target
AFFINE_SPREAD, BEND_SPREAD, CONTROL_POINTS = 0.05, 0.005, 5


class Bend:
    """A random affine map and a thin-plate spline.

    Noise (B, 2, 3) around the identity, and (B, 25) weights of the control points."""

    def __init__(self, noise: Tensor, weights: Tensor):
        self.theta = torch.eye(2, 3, device=noise.device, dtype=noise.dtype) + noise
        self.weights = weights.flatten(1)
        side = round(self.weights.shape[1] ** 0.5)
        self.points = coordinate_grid(side, side, noise).flatten(0, 1)

    @classmethod
    def random(cls, count: int, generator: torch.Generator | None = None) -> "Bend":
        draw = lambda *shape: torch.randn(count, *shape, generator=generator)
        return cls(AFFINE_SPREAD * draw(2, 3), BEND_SPREAD * draw(CONTROL_POINTS**2))

    def __call__(self, points: Tensor) -> Tensor:
        """(B, N, 2) points to their new positions."""
        moved = einsum(self.theta[..., :2], points, "b i j, b n j -> b n i") + self.theta[:, None, :, 2]
        distance = (points[:, :, None] - self.points).abs().sum(-1)
        lift = distance**2 * torch.log(distance + 1e-6)
        return moved + einsum(lift, self.weights, "b n p, b p -> b n")[..., None]

    def jacobian(self, points: Tensor) -> Tensor:
        """(B, N, 2) points to (B, N, 2, 2): how its surroundings are rotated and stretched."""
        away = points[:, :, None] - self.points
        distance = away.abs().sum(-1)
        derivative = 2 * distance * torch.log(distance + 1e-6) + distance**2 / (distance + 1e-6)
        bend = einsum(derivative, self.weights, away.sign(), "b n p, b p, b n p j -> b n j")
        return self.theta[:, None, :, :2] + bend[:, :, None]

    def warp_picture(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) pictures bent; the border is mirrored."""
        size = picture.shape[-2:]
        points = coordinate_grid(*size, picture).flatten(0, 1).expand(len(picture), -1, -1)
        return F.grid_sample(picture, self(points).unflatten(1, size), padding_mode="reflection", align_corners=False)


def shift_loss(regions: Regions, bent: Regions, bend: Bend) -> Tensor:
    """How far the regions of a picture lie from those of the bent picture, bent back."""
    return (regions.shift - bend(bent.shift)).abs().mean()


def affine_loss(regions: Regions, bent: Regions, bend: Bend) -> Tensor:
    """How differently they are rotated and stretched."""
    matrix = without_flip(inverse(regions.affine) @ bend.jacobian(bent.shift) @ bent.affine)
    return (torch.eye(2, device=matrix.device, dtype=matrix.dtype) - matrix).abs().mean()


def pyramid(picture: Tensor, scales: tuple[float, ...] = PYRAMID) -> dict[float, Tensor]:
    """(B, 3, H, W) pictures at several sizes."""
    return {scale: AntiAlias(picture.shape[1], scale).to(picture)(picture) for scale in scales}
