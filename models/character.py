"""What a character model has beside its U-Net: pictures of the motion and of the character, and its birth (MIMO section 3).

Letters as in modality.py; H and W pixels.
"""

import torch
import torch.nn.functional as F
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

from .config import VideoUNetConfig
from .foreground import person_alone

PICTURES = 8  # how many pictures of the motion are read at once
WHITE = (1.0, 1.0, 1.0)


class PoseGuider(ControlNetConditioningEmbedding):
    """(k m f) 3 H W pictures of the motion in [0, 1] to (k m f) C0 h w features that join the noise; silent at birth.

    Each width after the first halves the size. Names are those of the released files.
    """

    def __init__(self, video: VideoUNetConfig):
        super().__init__(video.block_out_channels[0], block_out_channels=video.motion_code)

    @property
    def shrinks(self) -> int:
        """How many pixels a side make one latent."""
        return 2 ** (len(self.blocks) // 2)


def read_motion(guider: nn.Module, pictures: Tensor, like: Tensor, device=None) -> Tensor:
    """Features of f 3 H W pictures in [0, 1], a few at a time; `like` says where and how precisely to work."""
    parts = pictures.split(PICTURES)
    return torch.cat([guider(part.to(like.device, like.dtype)).to(device or like.device) for part in parts])


def as_character(state: dict[str, Tensor], config: VideoUNetConfig, reads: list[str]) -> dict[str, Tensor]:
    """A picture model's weights with silent inputs for the layer codes, and copies that begin to read the reference.

    reads are the names of the network that reads it.
    """
    copies = {f"reference.{name}": state[name] for name in reads if name in state}
    first = state.get("conv_in.weight")
    if config.layer_codes and first is not None and first.shape[1] == config.out_channels:
        silent = first.new_zeros(first.shape[0], config.in_channels - first.shape[1], *first.shape[2:])
        state = state | {"conv_in.weight": torch.cat((first, silent), 1)}
    return {**state, **copies}


def portrait(images: Tensor, mask: Tensor | None, width: int, height: int) -> Tensor:
    """(N, H, W, 3) pictures to (N, height, width, 3): the character on white, whole and in the middle."""
    images = person_alone(images, mask, WHITE).movedim(-1, 1)
    scale = min(height / images.shape[2], width / images.shape[3])
    size = [max(1, round(side * scale)) for side in images.shape[2:]]
    small = F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    (top, down), (left, right) = ((free // 2, free - free // 2) for free in (height - size[0], width - size[1]))
    return F.pad(small, (left, right, top, down), value=1.0).movedim(1, -1)
