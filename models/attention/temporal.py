"""Attention along the frames of a clip (IDOL section 3; DisCo's temporal module; Tune-A-Video's attn_temp)."""

from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, nn

from ..modality import ClipLayout


def make_temporal_attention(width: int, heads: int) -> Attention:
    """Self-attention as wide as its block's spatial one, silent at birth."""
    attention = Attention(width, heads=heads, dim_head=width // heads, bias=False)
    nn.init.zeros_(attention.to_out[0].weight)
    nn.init.zeros_(attention.to_out[0].bias)
    return attention


def attend_in_time(attention: Attention, tokens: Tensor, layout: ClipLayout, **kwargs) -> Tensor:
    """(k m f) d c tokens: every position attends to itself in all frames of its clip. No position code: any F works."""
    tokens = rearrange(tokens, "(n f) d c -> (n d) f c", n=layout.clips)
    return rearrange(attention(tokens, **kwargs), "(n d) f c -> (n f) d c", n=layout.clips)
