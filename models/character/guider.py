"""The network that reads pictures of the motion (MIMO section 3).

Letters as in pair/layout.py; H and W pixels.
"""

import torch
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

PICTURES = 8  # how many pictures of the motion are read at once


class PoseGuider(ControlNetConditioningEmbedding):
    """(k m f) 3 H W pictures of the motion in [0, 1] to (k m f) C0 h w features that join the noise; silent at birth.

    Each width after the first halves the size. Names are those of the released files.
    """

    def __init__(self, width: int, widths: tuple[int, ...]):
        super().__init__(width, block_out_channels=widths)

    @property
    def shrinks(self) -> int:
        """How many pixels a side make one latent."""
        return 2 ** (len(self.blocks) // 2)


def read_motion(guider: nn.Module, pictures: Tensor, like: Tensor, device=None) -> Tensor:
    """Features of f 3 H W pictures in [0, 1], a few at a time; `like` says where and how precisely to work."""
    parts = pictures.split(PICTURES)
    return torch.cat([guider(part.to(like.device, like.dtype)).to(device or like.device) for part in parts])
