"""The pose guider: the network that reads the pictures of the body (MIMO section 3).

Letters as in pair/layout.py; H and W pixels.
"""

import torch
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

CHUNK = 8  # how many pictures are read at once


class PoseGuider(ControlNetConditioningEmbedding):
    """(k m f) 3 H W pictures in [0, 1] to (k m f) C0 h w features that are added to the noise; zero until trained.

    Each width after the first halves the size. Names are those of the released files.
    """

    def __init__(self, width: int, widths: tuple[int, ...]):
        super().__init__(width, block_out_channels=widths)

    @property
    def downscale(self) -> int:
        """How many pixels a side make one latent."""
        return 2 ** (len(self.blocks) // 2)


def body_features(guider: nn.Module, pictures: Tensor, like: Tensor, device=None) -> Tensor:
    """Features of f 3 H W pictures in [0, 1], a few at a time, computed on the device and in the dtype of `like`."""
    parts = pictures.split(CHUNK)
    return torch.cat([guider(part.to(like.device, like.dtype)).to(device or like.device) for part in parts])
