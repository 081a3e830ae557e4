"""AnimateDiff's motion modules, versions 1 to 3 (arXiv 2307.04725, section 4.2), at home in the video U-Net.

Names are those of the released files. Letters as in pair/layout.py; n is (k m), the clips of a batch.
"""

import math

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from einops import rearrange
from torch import Tensor, nn

from ..pair.layout import ClipLayout
from .blocks import norm_over_clip, pairs
from .config import MotionModules

HEADS = 8


class PositionTable(nn.Module):
    """Sines and cosines of the frame number, added to (n h w) f c tokens; files may carry the table, none needs to.

    Nothing is stored: a file says how many positions there are, and a network on meta must not take memory for them.
    """

    def __init__(self, width: int, positions: int):
        super().__init__()
        self.width, self.positions = width, positions

    def forward(self, tokens: Tensor) -> Tensor:
        frames, longest = tokens.shape[1], self.positions
        if frames > longest:
            raise ValueError(
                f"Expected a clip of up to {longest} frames, which this motion module was trained on, got {frames}: "
                f"use Context Windows (Video and Depth) with a length of {longest} or less."
            )
        return tokens + sinusoids(frames, self.width, tokens.device).to(tokens)

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        table = state.pop(prefix + "pe", None)
        shape = (1, self.positions, self.width)
        if table is not None and table.shape != shape:
            errors.append(f"{prefix}pe is {tuple(table.shape)} in the file and {shape} in the network.")


def sinusoids(positions: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """(positions, width): even columns sines, odd columns cosines."""
    steps = torch.arange(positions, device=device)[:, None]
    speeds = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    return torch.stack((torch.sin(steps * speeds), torch.cos(steps * speeds)), dim=2).flatten(1)[:, :width]


class MotionAttention(Attention):
    """Self-attention over the frames; the position enters queries, keys and values alike."""

    def __init__(self, width: int, positions: int):
        super().__init__(width, heads=HEADS, dim_head=width // HEADS, bias=False)
        self.pos_encoder = PositionTable(width, positions)

    def forward(self, tokens: Tensor, **kwargs) -> Tensor:
        return super().forward(self.pos_encoder(tokens), **kwargs)


class MotionBlock(nn.Module):
    """Attentions over time and a feed-forward, each normed and residual, on (n h w) f c tokens."""

    def __init__(self, width: int, positions: int, attentions: int):
        super().__init__()
        self.attention_blocks = nn.ModuleList(MotionAttention(width, positions) for _ in range(attentions))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(attentions))
        self.ff = FeedForward(width)
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            tokens = attention(norm(tokens)) + tokens
        return self.ff(self.ff_norm(tokens)) + tokens


class MotionTransformer(nn.Module):
    """Tokens of every pixel's path through a clip of (n f) c h w features; without effect until they are trained."""

    # The authors' code norms each frame, and the released weights were trained so; diffusers' port norms the clip.
    over_clip = False

    def __init__(self, width: int, groups: int, positions: int, attentions: int, layout: ClipLayout):
        super().__init__()
        self.layout = layout
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([MotionBlock(width, positions, attentions)])
        self.proj_out = nn.Linear(width, width)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, features: Tensor) -> Tensor:
        if self.layout.still:
            return features
        height, width = features.shape[2:]
        normed = norm_over_clip(self.norm, features, self.layout) if self.over_clip else self.norm(features)
        tokens = self.proj_in(rearrange(normed, "(n f) c h w -> (n h w) f c", n=self.layout.clips))
        for block in self.transformer_blocks:
            tokens = block(tokens)
        answer = rearrange(self.proj_out(tokens), "(n h w) f c -> (n f) c h w", h=height, w=width)
        return features + answer


class MotionModule(nn.Module):
    """The shell that gives the weights the names of the released files."""

    def __init__(self, width: int, groups: int, motion: MotionModules, layout: ClipLayout):
        super().__init__()
        self.temporal_transformer = MotionTransformer(width, groups, motion.positions, motion.attentions, layout)

    def forward(self, features: Tensor) -> Tensor:
        return self.temporal_transformer(features)


def add_motion_modules(unet: nn.Module, motion: MotionModules, groups: int, layout: ClipLayout) -> None:
    """A motion module after each ResBlock-transformer pair and, in version 2, after the middle's attention."""
    modules = lambda *widths: nn.ModuleList(MotionModule(width, groups, motion, layout) for width in widths)
    for block in [*unet.down_blocks, *unet.up_blocks]:
        places = pairs(block)
        block.motion_modules = modules(*(resnet.out_channels for resnet in block.resnets))
        for place, module in zip(places, block.motion_modules, strict=True):
            place.after.append(module)
    if motion.mid_block:
        unet.mid_block.motion_modules = modules(unet.mid_block.resnets[0].out_channels)
        unet.mid_block.attentions[0].after.append(unet.mid_block.motion_modules[0])
