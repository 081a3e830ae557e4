"""The depth channel of Stable Diffusion 2 with depth: inverse depth in [-1, 1] at the size of the latents.

Letters: N frames, H and W pixels, h and w latent pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..choices import CHANNEL_RANGES, check_choice


def depth_channel(depth: Tensor, size: tuple[int, int], depth_range: str = CHANNEL_RANGES[0]) -> Tensor:
    """(N, 1, H, W) inverse depth, large where near, to (N, 1, h, w); a flat depth is the middle, 0.

    "per clip" stretches all frames together, so that a still pixel keeps its value while things come and go; "per frame"
    stretches each by itself, as the model's own pipeline does; "unchanged" takes 0..1 without stretching.
    """
    check_choice(depth_range, CHANNEL_RANGES)
    depth = F.interpolate(depth.float(), size=tuple(size), mode="bicubic", align_corners=False)
    if depth_range == "unchanged":
        return depth.clamp(0, 1) * 2 - 1
    over = (0, 1, 2, 3) if depth_range == "per clip" else (1, 2, 3)
    low, high = depth.amin(over, keepdim=True), depth.amax(over, keepdim=True)
    flat = high - low <= 1e-6 * torch.maximum(high.abs(), low.abs())
    return torch.where(flat, 0.0, 2 * (depth - low) / torch.where(flat, 1.0, high - low) - 1)


def same_view(depth: tuple[int, int], latent: tuple[int, int]) -> bool:
    """Whether (H, W) pixels show what (h, w) latents show: one shape, except for what rounding to latents cuts off."""
    (height, width), (h, w) = depth, latent
    return abs(width * h / height - w) <= 1 or abs(height * w / width - h) <= 1
