"""What an auto-encoder's pictures are compared by: edges, several sizes, outlines, the person, the size of its latents.

Letters: B pictures, H and W pixels, C channels, h and w latent pixels; an error is the decoded picture less the true one.
"""

import torch.nn.functional as F
from torch import Tensor

SMALLER = (2, 4, 8)  # pixels of the picture that one of a smaller one stands for


def edges(error: Tensor) -> Tensor:
    """Error of the differences between neighbouring pixels, which keeps outlines sharp."""
    across, down = differences(error)
    return across.abs().mean() + down.abs().mean()


def scales(error: Tensor) -> Tensor:
    """Error and error of the edges in the picture at a half, a quarter and an eighth of its size."""
    smaller = [F.avg_pool2d(error, side) for side in SMALLER]
    return sum(one.abs().mean() + edges(one) for one in smaller)


def outlines(error: Tensor, picture: Tensor) -> Tensor:
    """Mean error, in which a pixel of the (B, 3, H, W) picture counts by how far it differs from its neighbours."""
    across, down = differences(picture)
    steepness = F.pad(across.abs(), (0, 1)) + F.pad(down.abs(), (0, 0, 0, 1))
    steepness = steepness.mean(1, keepdim=True)
    return (error.abs() * steepness).mean() / steepness.mean().clamp_min(1e-6)


def on_person(error: Tensor, mask: Tensor) -> Tensor:
    """Error and squared error on the pixels of (B, H, W) masks from 0 to 1; zero where no picture has a person."""
    each = (error.abs() + error.square()).mean(1)
    return (each * mask).sum() / mask.sum().clamp_min(1)


def size(latents: Tensor) -> Tensor:
    """(B, C, h, w) latents should have mean 0 and size 1 in every channel, as a sampler's noise has."""
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    return mean.square().mean() + (spread - 1).square().mean()


def differences(picture: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W - 1) from each pixel to the next one across and (B, C, H - 1, W) down."""
    return picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]
