"""What ComfyUI's preview draws while a pair of Wan 2.2 is sampled."""

import comfy.latent_formats
import torch
from torch import Tensor


class PairWan22(comfy.latent_formats.Wan22):
    """The first frame of the video beside the same frame of the modality."""

    @classmethod
    def latent_rgb_factors_reshape(cls, latents: Tensor) -> Tensor:
        """(m, C, T, h, w) to (1, C, h, m w)."""
        return torch.cat([half[:1, :, 0] for half in latents.chunk(2)], -1)
