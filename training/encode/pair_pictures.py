"""A clip as the pictures that IDOL's stages read."""

import torch
from torch import Tensor

from ...models.choices import DEPTH_POLARITIES
from ...models.depth.colormap import encode
from .augment import hide


def pictures_of(clips, polarity: str, index: int) -> dict[str, Tensor]:
    """A clip's pictures with its depth as heat maps, and the two rooms: the empty one, and one with the person hidden."""
    clip = clips[index]
    depth = torch.stack([heat_pixels(depth, polarity) for depth in clip["depth"]])
    rooms = torch.stack([clip["plate"], hide(clip["video"][0], clip["mask"][0])])
    return {"video": clip["video"], "depth": depth, "rooms": rooms, "person": clip["person"], "pose": clip["pose"],
            "mask": clip["mask"]}  # fmt: skip


def heat_pixels(depth: Tensor, polarity: str = DEPTH_POLARITIES[0]) -> Tensor:
    """(H, W) uint16 depth to its (3, H, W) uint8 heat map."""
    return (heat(depth, polarity) * 255).round().to(torch.uint8)


def heat(depth: Tensor, polarity: str = DEPTH_POLARITIES[0]) -> Tensor:
    """(H, W) uint16 depth, 65535 near, to its (3, H, W) heat map, whose white is near or far."""
    share = depth.to(torch.float32)[None] / 65535
    return encode(share if polarity == DEPTH_POLARITIES[0] else 1 - share, "hot")[0].permute(2, 0, 1)
