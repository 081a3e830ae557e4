"""The moving parts of a picture: the position, rotation and spread of each.

Letters: B pictures, K regions, H and W pixels, h and w of a heat map.
"""

from typing import NamedTuple

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from ..unet.attention.capture import full_precision
from .config import PICTURE, AutoencoderConfig
from .layers import AntiAlias, Hourglass
from .warp import coordinate_grid


class Regions(NamedTuple):
    shift: Tensor  # (B, K, 2) centres
    covariance: Tensor  # (B, K, 2, 2)
    affine: Tensor  # (B, K, 2, 2) principal axes of the region, each as long as its spread
    heat_map: Tensor  # (B, K, h, w) shares that sum to 1


class RegionPredictor(nn.Module):
    """(B, 3, H, W) pictures in [0, 1] to K regions."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.temperature = config.temperature
        self.down = AntiAlias(PICTURE, config.scale)
        self.predictor = Hourglass(PICTURE, *config.region)
        self.regions = nn.Conv2d(self.predictor.out_channels, config.regions, 7, padding=config.heat_map_padding)

    def forward(self, picture: Tensor) -> Regions:
        features = self.predictor(self.down(picture))
        with full_precision(features):  # a covariance is the small difference of large sums
            logits = self.regions(features.to(self.regions.weight))
            heat_map = (logits / self.temperature).flatten(2).softmax(-1).view_as(logits)
            return region_moments(heat_map)


def region_moments(heat_map: Tensor) -> Regions:
    """Mean and covariance of each heat map."""
    points = coordinate_grid(*heat_map.shape[-2:], heat_map)
    shift = einsum(heat_map, points, "b k h w, h w i -> b k i")
    away = points - shift[:, :, None, None]
    covariance = einsum(heat_map, away, away, "b k h w, b k h w i, b k h w j -> b k i j")
    return Regions(shift, covariance, principal_axes(covariance), heat_map)


def principal_axes(covariance: Tensor) -> Tensor:
    """(..., 2, 2) to its principal axes as columns, the longer first, each as long as the square root of its variance.

    Their order and handedness are those of a singular value decomposition, which the weights were trained with; the
    sign of both together cancels wherever two of them meet.
    """
    p, q, r = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    spread = torch.sqrt((p - r) ** 2 + 4 * q**2)
    long, short = ((p + r + spread) / 2).clamp_min(0).sqrt(), ((p + r - spread) / 2).clamp_min(0).sqrt()
    angle = torch.atan2(2 * q, p - r) / 2
    cos, sin = angle.cos(), angle.sin()
    entries = torch.stack((-cos * long, -sin * short, -sin * long, cos * short), -1)
    return rearrange(entries, "... (i j) -> ... i j", i=2)


def inverse(matrix: Tensor) -> Tensor:
    """(..., 2, 2) matrices inverted."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
    entries = torch.stack((d, -b, -c, a), -1) / (a * d - b * c)[..., None]
    return rearrange(entries, "... (i j) -> ... i j", i=2)


def without_flip(matrix: Tensor) -> Tensor:
    """(..., 2, 2) with a first entry that is not negative: a region rotated by half a turn is the same."""
    return matrix * matrix[..., :1, :1].sign()
