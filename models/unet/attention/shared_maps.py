"""Cross-attention with the same maps for a frame and its depth: an ablation of IDOL (section 4.3).

Letters as in pair/layout.py; n tokens of a frame, t of the context, c channels. Maps P = softmax(q k') never exist as a
tensor: the mean of two maps times a value is the mean of two attentions, so the fused kernel serves.
"""

from torch import Tensor

from ...pair.attend import Attend, attention
from ...pair.layout import ClipLayout


class SharedMaps:
    """Uses their mean ("avg") or the map of the "video" for both modalities."""

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
