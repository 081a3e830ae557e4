"""A half of a pair that is kept whole while the other is made, for models that were trained to be given it clean.

The host keeps it by a noise mask and shows it to the model as noisy as what is made. Letters: B = (k m f) latents, F
frames, C channels, h and w latent pixels.
"""

import comfy.conds
import torch
from torch import Tensor

from ....models.choices import MODALITIES
from ....models.pair.layout import ClipLayout

LATENTS, HALF = "duet_given", "duet_given_half"  # among the model's conditions: the clean pair, which half is kept


def given_conds(video, given: dict) -> dict:
    """What a model's extra_conds adds where the noise mask (B, C, h, w) keeps one half and opens the other anywhere."""
    mask, latents = given.get("denoise_mask"), given.get("latent_image")
    if video.given != "clean" or mask is None or latents is None:
        return {}
    still = [not half.any() for half in mask.chunk(len(MODALITIES))]
    if sum(still) != 1:
        return {}
    half = MODALITIES[still.index(True)]
    return {LATENTS: comfy.conds.CONDNoiseShape(latents), HALF: comfy.conds.CONDConstant(half)}


def with_given(x: Tensor, times: Tensor, clean: Tensor, half: str, chunks: int) -> tuple[Tensor, Tensor]:
    """Noisy latents (B, C, h, w) and their times (B,), with the kept half clean and at time 0."""
    layout = ClipLayout()
    layout.cut(len(x), chunks, len(MODALITIES))
    kept = layout.labels(x.device) == MODALITIES.index(half)
    return torch.where(kept[:, None, None, None], clean.to(x), x), times.masked_fill(kept, 0)
