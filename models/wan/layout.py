"""Where the two streams of a pair lie.

Letters: k chunks of conditioning, m = 2 streams (video, then modality), C channels, T h w latent frames and pixels,
f y x tokens of one stream, c features. A pair is a batch (k m) C T h w; the network sees k C T h (m w).
"""

import torch
from torch import Tensor


def side_by_side(latents: Tensor) -> Tensor:
    """(k m) C T h w to k C T h (m w): the modality lies to the right of the video."""
    return torch.cat(latents.unflatten(0, (-1, 2)).unbind(1), -1)


def streams(tokens: Tensor, grid) -> Tensor:
    """k (f y m x) c to (k m) (f y x) c: the tokens of each stream on their own."""
    f, y, both = grid
    return tokens.unflatten(1, (f, y, 2, both // 2)).movedim(3, 1).flatten(2, 4).flatten(0, 1)


def joined(tokens: Tensor, grid) -> Tensor:
    """(k m) (f y x) c to k (f y m x) c: the inverse of streams."""
    f, y, both = grid
    return tokens.unflatten(0, (-1, 2)).unflatten(2, (f, y, both // 2)).movedim(1, 3).flatten(1, 4)


def picked(answers: Tensor) -> Tensor:
    """(m k) C T h (m w), the answers of both heads for everything, to (k m) C T h w: of each head its own side."""
    video, modality = answers.chunk(2)
    return torch.stack((video.chunk(2, -1)[0], modality.chunk(2, -1)[1]), 1).flatten(0, 1)
