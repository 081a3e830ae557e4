"""From the regions of two pictures to a flow and an occlusion for every pixel.

Letters: B pairs of pictures, K regions, H and W pixels, h and w of the flow.
"""

import torch
from einops import einsum, rearrange, reduce
from torch import Tensor, nn

from ..unet.attention.capture import full_precision
from .config import PICTURE, AutoencoderConfig
from .layers import AntiAlias, Encoder, Hourglass
from .regions import Regions, inverse, without_flip
from .warp import Motion, coordinate_grid, fetch


class BackgroundPredictor(nn.Module):
    """(B, 3, H, W) source and driving pictures to (B, 3, 3): from the driving background to the source's."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.encoder = Encoder(2 * PICTURE, *config.background)
        width, largest, levels = config.background
        self.fc = nn.Linear(min(largest, width * 2**levels), 6)
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        features = self.encoder(torch.cat((source, driving), 1))[-1]
        with full_precision(features):
            top = self.fc(reduce(features.to(self.fc.weight), "b c h w -> b c", "mean")).unflatten(-1, (2, 3))
        return torch.cat((top, top.new_tensor([[[0, 0, 1]]]).expand(len(top), -1, -1)), 1)


class PixelwiseFlowPredictor(nn.Module):
    """A mask over regions for each pixel, whose flow is the weighted mean of the regions' motions."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        motions = config.regions + 1
        self.down = AntiAlias(PICTURE, config.scale)
        self.hourglass = Hourglass(motions * (1 + PICTURE), *config.flow)
        self.mask = nn.Conv2d(self.hourglass.out_channels, motions, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels, 1, 7, padding=3)

    def forward(self, picture: Tensor, source: Regions, driving: Regions, background: Tensor | None = None) -> Motion:
        """(B, 3, H, W) source picture, the regions of both and the background's motion to grid and occlusion."""
        with full_precision(picture):  # half precision would move pixels
            picture = self.down(picture)
            size = picture.shape[-2:]
            heat = region_gaussians(driving, size) - region_gaussians(source, size)
            heat = torch.cat((torch.zeros_like(heat[:, :1]), heat), 1)
            grids = torch.cat((background_grid(background, picture), region_grids(source, driving, picture)), 1)
            pictures = picture.repeat_interleave(grids.shape[1], 0)
            warped = rearrange(fetch(pictures, grids.flatten(0, 1)), "(b k) c h w -> b k c h w", b=len(picture))
        features = self.hourglass(torch.cat((heat[:, :, None], warped), 2).flatten(1, 2))
        with full_precision(picture):
            features = features.to(self.mask.weight)
            grid = einsum(self.mask(features).softmax(1), grids, "b k h w, b k h w i -> b h w i")
            return Motion(grid, self.occlusion(features).sigmoid())


def region_gaussians(regions: Regions, size: tuple[int, int]) -> Tensor:
    """(B, K, h, w): each region as a Gaussian of height 1."""
    away = coordinate_grid(*size, regions.shift) - regions.shift[:, :, None, None]
    distance = einsum(away, inverse(regions.covariance), away, "b k h w i, b k i j, b k h w j -> b k h w")
    return torch.exp(-0.5 * distance)


def region_grids(source: Regions, driving: Regions, picture: Tensor) -> Tensor:
    """(B, K, h, w, 2): the position in the source of each point if it belongs to region k."""
    rotation = without_flip(source.affine @ inverse(driving.affine))
    away = coordinate_grid(*picture.shape[-2:], picture) - driving.shift[:, :, None, None]
    return einsum(rotation, away, "b k i j, b k h w j -> b k h w i") + source.shift[:, :, None, None]


def background_grid(background: Tensor | None, picture: Tensor) -> Tensor:
    """(B, 1, h, w, 2): the position in the source of each point of the background, which does not move without a matrix."""
    points = coordinate_grid(*picture.shape[-2:], picture).expand(len(picture), 1, -1, -1, -1)
    if background is None:
        return points
    points = torch.cat((points, torch.ones_like(points[..., :1])), -1)
    moved = einsum(background, points, "b i j, b k h w j -> b k h w i")
    return moved[..., :2] / moved[..., 2:]
