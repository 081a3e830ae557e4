"""What the host's preview draws while a model of video and depth samples.

Letters: F frames, m modalities, C channels, h and w latent pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.latent_formats
import torch
from torch import Tensor


class PairLatent(comfy.latent_formats.SD15):
    """A pair is previewed as its first video frame beside that frame's depth, one modality as its first frame."""

    modalities = 2  # of the sampling that runs: the host takes this class from the model, which all its MODELs share

    @classmethod
    def latent_rgb_factors_reshape(cls, latents: Tensor) -> Tensor:
        """(m F, C, h, w) to (1, C, h, m w)."""
        return torch.cat([half[:1] for half in latents.chunk(cls.modalities)], -1)


def set_channels(latent_format: comfy.latent_formats.SD15, channels: int) -> None:
    """The latents of a VAE with more channels than Stable Diffusion's: the preview is drawn from the first ones."""
    added = channels - latent_format.latent_channels
    if added > 0:
        latent_format.latent_channels = channels
        latent_format.latent_rgb_factors = [*latent_format.latent_rgb_factors, *[[0.0] * 3] * added]
        latent_format.taesd_decoder_name = None  # it decodes four channels


@contextmanager
def previewed(modalities: int) -> Iterator[None]:
    """Previews of a batch of that many modalities, until sampling ends."""
    before, PairLatent.modalities = PairLatent.modalities, modalities
    try:
        yield
    finally:
        PairLatent.modalities = before
