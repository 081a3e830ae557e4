"""Two prompts as one conditioning: tokens (2, L, c), the video's and then the modality's."""

import torch
from torch import Tensor

from .boundary import SHOWN


def encode_pair(clip, video: str, modality: str, shown: str) -> list:
    """The conditioning of both prompts; where hooks make several of a prompt, each is joined to its counterpart."""
    if clip is None:
        raise ValueError(
            "clip: expected the text encoder of Wan (umT5-XXL), got none: connect Load CLIP with the type wan."
        )
    both = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (video, modality)]
    return [
        [joined(a[0], b[0]), {key: value for key, value in a[1].items() if key != "pooled_output"} | {SHOWN: shown}]
        for a, b in zip(*both, strict=True)
    ]


def joined(video: Tensor, modality: Tensor) -> Tensor:
    """(1, L, c) of each to (2, L, c); the text encoder of Wan ends every prompt with zeros, so that zeros add nothing new."""
    length = max(video.shape[1], modality.shape[1])
    padded = [torch.nn.functional.pad(t[:1], (0, 0, 0, length - t.shape[1])) for t in (video, modality)]
    return torch.cat(padded)
