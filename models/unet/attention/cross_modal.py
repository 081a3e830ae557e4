"""Attention between the video and the depth of one frame, at the end of a U-Net block (IDOL section 3.2)."""

from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, nn

from ...pair.layout import ClipLayout

HEAD = 64  # width of a head, diffusers' default: 8 heads at the paper's size


class CrossModalAttention(nn.Module):
    """The pixels of a frame and of its depth attend to each other as one set; without effect until it is trained.

    (k m f) c h w in and out. The modality label is already in the features, so the tokens need none.
    """

    def __init__(self, width: int, inner: int, layout: ClipLayout):
        super().__init__()
        self.layout = layout
        self.norm = nn.LayerNorm(width)
        heads = max(1, inner // HEAD)
        self.attn = Attention(width, heads=heads, dim_head=inner // heads, bias=False)
        nn.init.zeros_(self.attn.to_out[0].weight)
        nn.init.zeros_(self.attn.to_out[0].bias)

    def forward(self, features: Tensor, **kwargs) -> Tensor:
        k, m, (h, w) = self.layout.chunks, self.layout.modalities, features.shape[2:]
        if m == 1:
            return features
        tokens = rearrange(features, "(k m f) c h w -> (k f) (m h w) c", k=k, m=m)
        answer = self.attn(self.norm(tokens), **kwargs)
        return features + rearrange(answer, "(k f) (m h w) c -> (k m f) c h w", k=k, m=m, h=h, w=w)
