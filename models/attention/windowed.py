"""Attention between two networks over a window of frames: MM-Diffusion's random-shift attention (CVPR 2023, RS-MMA).

Letters: k chunks, f or F frames, s frames in a window, d positions in a frame, c channels.
"""

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, nn

from .cross_modal import HEAD


def window_of(frames: int, window: int, shift: int = 0, device=None) -> Tensor:
    """(F, s) frames of the other stream that each frame sees: from i + shift on, past the end from the start again."""
    steps = torch.arange(min(window, frames), device=device)
    return (torch.arange(frames, device=device)[:, None] + shift + steps) % frames


def random_shift(frames: int, window: int, generator: torch.Generator | None = None) -> int:
    """A shift for one training step, 0 to F - s; sampling uses 0, where every window starts at the frame itself."""
    return int(torch.randint(max(frames - window, 0) + 1, (), generator=generator))


class WindowedAttention(Attention):
    """Every position of a frame looks at all positions of s frames of the other stream: (k f) d c; silent at birth."""

    def __init__(self, width: int, inner: int, window: int):
        heads = max(1, inner // HEAD)
        super().__init__(width, heads=heads, dim_head=inner // heads, bias=False)
        self.window = window
        nn.init.zeros_(self.to_out[0].weight)
        nn.init.zeros_(self.to_out[0].bias)

    def forward(self, tokens: Tensor, others: Tensor, frames: int, shift: int = 0) -> Tensor:
        seen = window_of(frames, self.window, shift, tokens.device)
        query = rearrange(self.to_q(tokens), "n d (h e) -> n h d e", h=self.heads)
        # Projected once a frame, then laid out in windows: a frame is seen s times.
        key, value = (self.in_windows(part(others), seen) for part in (self.to_k, self.to_v))
        answer = F.scaled_dot_product_attention(query, key, value)
        return self.to_out[0](rearrange(answer, "n h d e -> n d (h e)"))

    def in_windows(self, x: Tensor, seen: Tensor) -> Tensor:
        """(k f) d (h e) to (k f) h (s d) e."""
        x = x.unflatten(0, (-1, seen.shape[0]))[:, seen]
        return rearrange(x, "k f s d (h e) -> (k f) h (s d) e", h=self.heads)


class WindowedCoupling(nn.Module):
    """Both directions at once, each with weights of its own: (k f) c h w features of video and depth, in and out."""

    def __init__(self, width: int, inner: int, window: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attentions = nn.ModuleList(WindowedAttention(width, inner, window) for _ in range(2))

    def forward(self, features: list[Tensor], frames: int, shift: int = 0) -> list[Tensor]:
        height = features[0].shape[2]
        tokens = [rearrange(x, "n c h w -> n (h w) c") for x in features]
        tokens = [norm(x) for norm, x in zip(self.norms, tokens, strict=True)]
        answers = [
            attention(own, other, frames, shift)
            for attention, own, other in zip(self.attentions, tokens, tokens[::-1], strict=True)
        ]
        return [
            x + rearrange(answer, "n (h w) c -> n c h w", h=height) for x, answer in zip(features, answers, strict=True)
        ]
