"""Named features of clips without an outside file: fixed random filters, and summaries of what an encoder says of each frame.

Letters: N clips, F frames, C channels, h and w cells, d features.
"""

import torch
from torch import Tensor

from .flow import RandomFeatures

SCALE = 1e3  # the answers of random filters are small


def random_features(clips: list[Tensor]) -> Tensor:
    """Clips (F, H, W, 3) to (N, 64) by fixed random filters over time and space."""
    look = RandomFeatures()
    return SCALE * torch.cat([look(clip.movedim(-1, 1)[None]) for clip in clips])


def latent_summary(latents: Tensor) -> Tensor:
    """(F, C, h, w) latents to (F, 2 C): the mean and the spread of each channel in each frame."""
    flat = latents.float().flatten(2)
    return torch.cat((flat.mean(2), flat.std(2, correction=0)), 1)


def over_time(vectors: Tensor) -> Tensor:
    """(F, d) vectors of frames to (2 d,) of the clip: their mean, and the mean size of their change from frame to frame."""
    change = vectors.diff(dim=0).abs().mean(0) if len(vectors) > 1 else torch.zeros_like(vectors[0])
    return torch.cat((vectors.mean(0), change))


def cut(clip: Tensor, frames: int) -> list[Tensor]:
    """A clip (F, ...) in pieces of so many frames, the rest left out; 0: the whole clip, and a shorter one has no piece."""
    return (
        [clip] if frames == 0 else [clip[start : start + frames] for start in range(0, len(clip) - frames + 1, frames)]
    )
