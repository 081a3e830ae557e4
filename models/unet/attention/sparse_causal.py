"""Self-attention to the first frame of a clip and to the previous frame (Tune-A-Video, section 3.2).

Letters as in pair/layout.py; n tokens of a frame, c channels, p tiles that a frame was cut into. The 2-D network's own
projections serve, and there is no mask.
"""

import torch
from einops import rearrange
from torch import Tensor

from ...pair.attend import Attend, attention
from ...pair.layout import ClipLayout


class SparseCausal:
    """Queries of frame i meet keys and values of frames 0 and i - 1; those of frame 0 meet its own twice."""

    def __init__(self, layout: ClipLayout):
        self.layout = layout

    def __call__(self, attn, hidden_states: Tensor, *_, **__) -> Tensor:
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        answer = self.over(lambda q, k, v: attention(q, k, v, attn.heads), q, k, v)
        return attn.to_out[1](attn.to_out[0](answer))

    def over(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Any attention of q (k m f) n c to k and v of the same shape; a still attends to itself, as in the 2-D network."""
        if self.layout.still or self.layout.frames == 1:
            return attend(q, k, v)
        return attend(q, self.first_and_previous(k), self.first_and_previous(v))

    def first_and_previous(self, x: Tensor) -> Tensor:
        """(k m f p) n c to (k m f p) 2n c: the tokens of frames 0 and i - 1 for frame i."""
        frames = self.layout.frames
        x = rearrange(x, "(g f p) n c -> g f p n c", g=self.layout.clips, f=frames)
        first, previous = x[:, :1], torch.cat((x[:, :1], x[:, :-1]), 1)
        return torch.cat((first.expand_as(x), previous), 3).flatten(0, 2)
