"""Attention and convolution along the frames of a clip (IDOL section 3; DisCo's temporal module; Tune-A-Video).

Letters as in pair/layout.py; d positions in a frame, e width of a head.
"""

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from ...pair.layout import ClipLayout

MOST_HEADS = 32768  # CUDA's attention kernels take at most 65535 heads in one call


class TemporalAttention(Attention):
    """Every position attends to itself in all frames of its clip: (k m f) d c in and out; without effect until it is trained.

    As wide as the block's spatial attention, with its heads; no position code, so any number of frames works.
    """

    def __init__(self, width: int, heads: int):
        super().__init__(width, heads=heads, dim_head=width // heads, bias=False)
        nn.init.zeros_(self.to_out[0].weight)
        nn.init.zeros_(self.to_out[0].bias)

    def forward(self, tokens: Tensor, layout: ClipLayout) -> Tensor:
        query, key, value = (part(tokens) for part in (self.to_q, self.to_k, self.to_v))
        return self.to_out[0](self.attend(query, key, value, layout))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, layout: ClipLayout) -> Tensor:
        """(k m f) d (heads e) queries, keys and values to the answer of the same shape."""
        parts = zip(*(self.by_clip(x, layout).split(MOST_HEADS, 1) for x in (query, key, value)), strict=True)
        answers = [F.scaled_dot_product_attention(*part) for part in parts]
        answer = answers[0] if len(answers) == 1 else torch.cat(answers, 1)
        return answer.transpose(1, 2).reshape(query.shape)

    def by_clip(self, x: Tensor, layout: ClipLayout) -> Tensor:
        """(n f) d (heads e) to (n, d heads, f, e): each position counts as heads of its own, so nothing is copied."""
        width = x.shape[-1] // self.heads
        return x.view(layout.clips, layout.frames, x.shape[1] * self.heads, width).transpose(1, 2)


class TemporalConv(nn.Conv1d):
    """A convolution of width 3 over the frames of each pixel: (k m f) c h w in and out; without effect until it is trained.

    Runs as a 3 x 1 convolution over (frame, pixel), twice as fast as one short sequence a pixel.
    """

    def __init__(self, width: int, layout: ClipLayout):
        super().__init__(width, width, 3, padding=1)
        self.layout = layout
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        clips, frames, shape = self.layout.clips, self.layout.frames, x.shape
        x = x.reshape(clips, frames, shape[1], -1).transpose(1, 2)
        x = F.conv2d(x, weight[..., None], bias, padding=(1, 0))
        return x.transpose(1, 2).reshape(shape)
