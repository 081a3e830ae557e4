"""The kept half of a pair enters without noise, for models that were trained so, while the other half is sampled.

The host keeps it by a noise mask, and by default it enters as noisy as the other half. Letters: B = (k m f) latents, F
frames, C channels, h and w latent pixels.
"""

import comfy.conds
import torch
from torch import Tensor

from ....models.choices import MODALITIES
from ....models.pair.layout import ClipLayout

LATENTS, HALF = "duet_given", "duet_given_half"  # among the model's conditions: the clean pair, which half is kept


def given_conds(video, given: dict) -> dict:
    """What a model's extra_conds adds where the noise mask (B, C, h, w) keeps one whole half and not the other."""
    mask, latents = given.get("denoise_mask"), given.get("latent_image")
    if video.given != "clean" or mask is None or latents is None:
        return {}
    kept = [not half.any() for half in mask.chunk(len(MODALITIES))]
    if sum(kept) != 1:
        return {}
    half = MODALITIES[kept.index(True)]
    return {LATENTS: comfy.conds.CONDNoiseShape(latents), HALF: comfy.conds.CONDConstant(half)}


def with_given(x: Tensor, times: Tensor, clean: Tensor, half: str, chunks: int) -> tuple[Tensor, Tensor]:
    """Noisy latents (B, C, h, w) and their times (B,), with the kept half clean and at time 0."""
    layout = ClipLayout()
    layout.cut(len(x), chunks, len(MODALITIES))
    kept = layout.labels(x.device) == MODALITIES.index(half)
    return torch.where(kept[:, None, None, None], clean.to(x), x), times.masked_fill(kept, 0)
