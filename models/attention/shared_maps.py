"""Cross-attention with the same maps for a frame and its depth: an ablation of IDOL (section 4.3).

Letters as in modality.py; n tokens of a frame, t of the context, c channels. Maps P = softmax(q k') never exist as a
tensor: the mean of two maps times a value is the mean of two attentions, so the fused kernel serves.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from ..modality import ClipLayout

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class SharedMaps:
    """Replaces both maps before they meet the values, by their mean ("avg") or by the "video" one."""

    def __init__(self, mode: str, layout: ClipLayout):
        self.mode, self.layout = mode, layout

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        answer = self.over(lambda q, k, v: attention(q, k, v, attn.heads), q, k, v)
        return attn.to_out[1](attn.to_out[0](answer))

    def over(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Any attention of q (k m f) n c to k and v (k m f) t c, with shared maps; one modality alone keeps its own."""
        if self.layout.modalities == 1:
            return attend(q, k, v)
        if self.mode == "video":
            return attend(self.of_video(q), self.of_video(k), v)
        return (attend(q, k, v) + attend(self.swapped(q), self.swapped(k), v)) / 2

    def of_video(self, x: Tensor) -> Tensor:
        video, _ = self.layout.parts(x)
        return self.layout.whole([video, video])

    def swapped(self, x: Tensor) -> Tensor:
        return self.layout.whole(self.layout.parts(x)[::-1])


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """b n c queries, b t c keys and values."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
