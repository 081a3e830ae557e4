"""diffusers' 2-D blocks with adapters for clips: a ResBlock and a transformer.

Each is converted from its 2-D original, whose names and weights stay. Letters as in pair/layout.py.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from einops import rearrange
from torch import Tensor, nn

from ..character.reference import ReferenceAttention
from ..pair.layout import ClipLayout
from .attention.sparse_causal import SparseCausal
from .attention.temporal import TemporalAttention, TemporalConv
from .config import TemporalLayers, VideoUNetConfig

# The C library gives pieces of 32 MB and more back at once and takes them anew, page by page: a sixth of a tiny
# network's step. Parts of this size stay in the cache too, and with this many tokens the weights are still read rarely.
PART_BYTES, PART_TOKENS = 8 << 20, 1024


def as_subclass(cls: type, original: nn.Module) -> nn.Module:
    """`original` as an instance of a subclass, sharing its parameters."""
    video = cls.__new__(cls)
    video.__dict__ = original.__dict__
    return video


class LinkedModules(list):
    """Modules that are registered elsewhere in the network, so that they are saved and moved once."""


class VideoResnetBlock(ResnetBlock2D):
    """A ResBlock with a convolution over the frames after its second convolution (DisCo's temporal module)."""

    @classmethod
    def from_2d(cls, block: ResnetBlock2D, config: VideoUNetConfig, layout: ClipLayout) -> "VideoResnetBlock":
        video = as_subclass(cls, block)
        video.layout, video.after, video.over_clip = layout, LinkedModules(), config.group_norm == "clip"
        if config.temporal == TemporalLayers("before_cross_attention"):
            width = block.out_channels
            video.tem_norm = nn.GroupNorm(config.norm_num_groups, width)
            video.tem_conv = TemporalConv(width, layout)
        return video

    def forward(self, x: Tensor, temb: Tensor, *args, **kwargs) -> Tensor:
        h = self.conv1(self.active(self.norm1, x))
        h = h + self.time_emb_proj(self.nonlinearity(temb))[:, :, None, None]
        h = self.conv2(self.dropout(self.active(self.norm2, h)))
        if hasattr(self, "tem_conv") and not self.layout.still:
            h = h + self.tem_conv(self.active(self.tem_norm, h))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x)
        h = (x + h) / self.output_scale_factor
        for adapter in self.after:
            h = adapter(h)
        return h

    def active(self, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        """Normed with statistics of each frame, or of the clip as in DisCo's and Tune-A-Video's checkpoints, and SiLU."""
        h = norm_over_clip(norm, x, self.layout) if self.over_clip else norm(x)
        return self.nonlinearity(h) if torch.is_grad_enabled() else F.silu(h, inplace=True)


def norm_over_clip(norm: nn.GroupNorm, x: Tensor, layout: ClipLayout) -> Tensor:
    """(k m f) c h w normed with statistics over the frames of each clip."""
    height = x.shape[2]
    x = rearrange(x, "(n f) c h w -> n c (f h) w", n=layout.clips)
    return rearrange(norm(x), "n c (f h) w -> (n f) c h w", h=height)


class VideoTransformerBlock(BasicTransformerBlock):
    """Spatial attention, attention over time, cross-attention, feed-forward."""

    tem_place: str | None = None  # where attention over time lies, None without it
    after_attn1: Callable | None = None  # what may change the tokens after self-attention, called with its arguments

    @classmethod
    def from_2d(cls, block: BasicTransformerBlock, config: VideoUNetConfig, layout: ClipLayout):
        video = as_subclass(cls, block)
        video.layout = layout
        if config.self_attention == "sparse_causal":
            video.attn1.set_processor(SparseCausal(layout))
        if config.reference:
            video.attn1.set_processor(ReferenceAttention(layout))
        if isinstance(config.temporal, TemporalLayers):
            video.tem_place = config.temporal.place
            video.tem_norm = nn.LayerNorm(block.norm1.normalized_shape[0])
            video.tem_attn = TemporalAttention(block.norm1.normalized_shape[0], block.attn1.heads)
        return video

    def forward(
        self, x: Tensor, attention_mask=None, encoder_hidden_states: Tensor | None = None, encoder_attention_mask=None,
        timestep=None, cross_attention_kwargs=None, class_labels=None,
    ) -> Tensor:  # fmt: skip
        # The order is diffusers': gradient checkpointing passes all seven without names.
        kwargs = cross_attention_kwargs or {}
        x = self.attn1(self.norm1(x), **kwargs) + x
        x = x if self.after_attn1 is None else self.after_attn1(x, **kwargs)
        x = self.over_time(x, "before_cross_attention")
        x = self.attn2(self.norm2(x), encoder_hidden_states=encoder_hidden_states, **kwargs) + x
        x = self.feed_forward(self.norm3(x)) + x
        return self.over_time(x, "after_feed_forward")

    def feed_forward(self, x: Tensor) -> Tensor:
        """On a CPU some pictures at a time, for inside it is eight times as wide as all else."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self.ff(x)
        tokens = max(PART_TOKENS, PART_BYTES // (8 * x.shape[2] * x.element_size()))
        return torch.cat([self.ff(part) for part in x.split(max(1, tokens // x.shape[1]))])

    def over_time(self, x: Tensor, place: str) -> Tensor:
        """Attention over time if it lies at this place."""
        if self.layout.still or self.tem_place != place:
            return x
        return self.tem_attn(self.tem_norm(x), self.layout) + x


class VideoTransformer(Transformer2DModel):
    """diffusers' transformer around the blocks above, followed by the adapters that close its place in the U-Net."""

    @classmethod
    def from_2d(
        cls, transformer: Transformer2DModel, config: VideoUNetConfig, layout: ClipLayout
    ) -> "VideoTransformer":
        video = as_subclass(cls, transformer)
        video.after = LinkedModules()
        for i, block in enumerate(transformer.transformer_blocks):
            transformer.transformer_blocks[i] = VideoTransformerBlock.from_2d(block, config, layout)
        return video

    def forward(self, hidden_states: Tensor, *args, **kwargs) -> tuple[Tensor]:
        h = super().forward(hidden_states, *args, **(kwargs | {"return_dict": False}))[0]
        for adapter in self.after:
            h = adapter(h)
        return (h,)


def inflate_block(block: nn.Module, config: VideoUNetConfig, layout: ClipLayout) -> None:
    """Convert every ResBlock and transformer of a down, mid or up block, in place."""
    for i, resnet in enumerate(block.resnets):
        block.resnets[i] = VideoResnetBlock.from_2d(resnet, config, layout)
    for i, transformer in enumerate(getattr(block, "attentions", None) or ()):
        block.attentions[i] = VideoTransformer.from_2d(transformer, config, layout)


def pairs(block: nn.Module) -> list[nn.Module]:
    """The last module of each ResBlock-transformer pair of a down or up block: where adapters follow."""
    attentions = getattr(block, "attentions", None)
    return list(attentions) if attentions else list(block.resnets)


def zeros_like_conv(conv: nn.Conv2d) -> nn.Conv2d:
    """A convolution of the same shape with zero weights."""
    fresh = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    nn.init.zeros_(fresh.weight)
    nn.init.zeros_(fresh.bias)
    return fresh


def copy_of_conv(conv: nn.Conv2d) -> nn.Conv2d:
    """A convolution with the same weight and no bias, so that the two together act as one on a sum."""
    fresh = zeros_like_conv(conv)
    with torch.no_grad():
        fresh.weight.copy_(conv.weight)
    return fresh
