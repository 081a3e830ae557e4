"""Latents that enter and leave a sampler are finite, or refused: of one NaN a model makes a black clip without an error."""

import torch
from torch import Tensor

from ...models.choices import MODALITIES

GIVEN = "check the node that it comes from, often a VAE or a model in half precision"
SAMPLED = (
    "likely causes are half precision (start ComfyUI with --force-fp32), a sampler or scheduler that does not fit the model "
    "(use those of KSampler (Auto Settings)), or conditioning that is not finite"
)


def finite_start(samples: Tensor, modalities: int = 1) -> Tensor:
    """The same latents, (m F, C, h, w) or (B, C, F, h, w), before they are sampled."""
    return finite(samples, modalities, "latent: expected finite numbers, got", GIVEN)


def finite_result(samples: Tensor, modalities: int = 1) -> Tensor:
    """The same latents, (m F, C, h, w) or (B, C, F, h, w), after they were sampled."""
    return finite(samples, modalities, "The sampler returned", SAMPLED)


def finite(samples: Tensor, modalities: int, what: str, mend: str) -> Tensor:
    """The same latents; NaN and infinity are refused with their count and the first frame that holds one."""
    if getattr(samples, "is_nested", False):  # several latents in one, of the host's own models
        for part in samples.unbind():
            finite(part, 1, what, mend)
        return samples
    if torch.isfinite(samples).all():
        return samples
    frames = samples.transpose(1, 2).flatten(0, 1) if samples.ndim == 5 else samples
    bad = (~torch.isfinite(frames)).flatten(1).sum(1)
    first, length = int(bad.nonzero()[0]), len(frames) // modalities
    half = f" of the {MODALITIES[first // length]}" if modalities == 2 else ""
    raise ValueError(
        f"{what} {int(bad.sum())} NaN or infinite values of {frames.numel()}, the first in frame {first % length}{half}: {mend}."
    )
