"""Attention of the flow U-Net: over time for each pixel, over space for each frame.

Features keep their channels last in memory (torch.channels_last_3d), so that reading (b c f h w) as tokens costs
nothing; on a CPU pixels and frames are taken in pieces whose keys and values stay in the cache.
Letters: b clips, f frames, h w pixels, c channels, n heads, d channels of a head.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

BUCKETS, EXACT, FARTHEST = 32, 8, 32  # of the distances between frames: both signs, one each up to 8, then coarser
CACHED = 2**19  # numbers of queries, keys and values that one piece may hold on a CPU


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last_3d)


class ChannelNorm(nn.Module):
    """(..., c) tokens of mean 0 and size 1 over their channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        return F.layer_norm(tokens, tokens.shape[-1:], self.gamma.to(tokens).flatten(), eps=1e-5)


class FramePositions(nn.Module):
    """A bias of each head for the distance between two frames; one table for all layers."""

    def __init__(self, heads: int):
        super().__init__()
        self.relative_attention_bias = nn.Embedding(BUCKETS, heads)

    def forward(self, frames: int, device: torch.device) -> Tensor:
        """(n, f, f), the query's frame first."""
        frame = torch.arange(frames, device=device)
        return rearrange(self.relative_attention_bias(buckets(frame[:, None] - frame)), "i j n -> n i j")


def buckets(delay: Tensor) -> Tensor:
    """By how many frames the key is earlier than the query, any sign, to the rows of the table."""
    distance, half = delay.abs(), BUCKETS // 2
    growth = torch.log(distance.clamp_min(1) / EXACT) / math.log(FARTHEST / EXACT)
    far = (EXACT + (growth * (half - EXACT)).long()).clamp_max(half - 1)
    return half * (delay < 0) + torch.where(distance < EXACT, distance, far)


def rotations(frames: int, width: int, copies: int, device: torch.device) -> Tensor:
    """(f, copies width / 2) complex numbers that rotate neighbouring pairs of channels from frame to frame."""
    speed = 10000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * speed
    return torch.polar(torch.ones_like(angle), angle).repeat(1, copies)


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """(p f c) fresh queries and keys, each pair of channels rotated by its frame's angle, in place where possible."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs.mul_(rotation)).flatten(-2).to(x.dtype)


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """(p n f d) queries, keys and values and (n f f) bias to outputs."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, bias)
    # Thousands of matrices of a few frames each: torch's own attention on a CPU is fast for few large ones.
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores + bias).softmax(-1) @ v


class TimeAttention(nn.Module):
    """Every pixel attends to itself in all frames."""

    def __init__(self, channels: int, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, channels, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(b c f h w) features and (n, f, f) bias."""
        b, _, f, h, w = x.shape
        width = self.to_qkv.out_features
        rotation = rotations(f, width // (3 * self.heads), 2 * self.heads, x.device)
        tokens = rearrange(x, "b c f h w -> b (h w) f c")
        out = in_pieces(lambda piece: self.attend(piece, bias.to(x.dtype), rotation), tokens, b * f * width)
        return x + rearrange(out, "b (h w) f c -> b c f h w", h=h, w=w)

    def attend(self, tokens: Tensor, bias: Tensor, rotation: Tensor) -> Tensor:
        """(b p f c) tokens of some pixels."""
        pixels = tokens.shape[:2]
        qkv = self.to_qkv(self.norm(tokens)).flatten(0, 1)
        third = qkv.shape[-1] // 3
        q, k = rotated(qkv[..., : 2 * third], rotation).chunk(2, -1)
        heads = (rearrange(one, "p f (n d) -> p n f d", n=self.heads) for one in (q, k, qkv[..., 2 * third :]))
        return self.to_out(rearrange(attended(*heads, bias), "p n f d -> p f (n d)")).unflatten(0, pixels)


class LinearAttention(nn.Module):
    """Linear attention: the pixels of a frame exchange values through one small matrix for each head."""

    def __init__(self, channels: int, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_width, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b c f h w) features."""
        b, _, f, h, w = x.shape
        tokens = rearrange(x, "b c f h w -> b f h w c")
        out = in_pieces(self.share, tokens, b * h * w * self.to_qkv.out_channels)
        return x + rearrange(out, "b f h w c -> b c f h w")

    def share(self, tokens: Tensor) -> Tensor:
        """(b g h w c) tokens of some frames."""
        frames = tokens.shape[:2]
        size = tokens.shape[2:4]
        qkv = self.to_qkv(self.norm(tokens).flatten(0, 1).permute(0, 3, 1, 2))
        q, k, v = rearrange(qkv, "g (three n d) h w -> three g (h w) n d", three=3, n=self.heads)
        q = q.softmax(-1) * q.shape[-1] ** -0.5
        shared = einsum(k.softmax(1), v, "g p n d, g p n e -> g n d e")
        out = einsum(shared, q, "g n d e, g p n d -> g p n e")
        out = self.to_out(out.flatten(2).unflatten(1, size).permute(0, 3, 1, 2))
        return out.permute(0, 2, 3, 1).unflatten(0, frames)


class SpaceAttention(nn.Module):
    """Every pixel attends to all pixels of its frame; only at the smallest size."""

    def __init__(self, channels: int, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b c f h w) features."""
        b, _, _, h, w = x.shape
        tokens = self.norm(rearrange(x, "b c f h w -> (b f) (h w) c"))
        q, k, v = rearrange(self.to_qkv(tokens), "g p (three n d) -> three g n p d", three=3, n=self.heads)
        out = self.to_out(rearrange(F.scaled_dot_product_attention(q, k, v), "g n p d -> g p (n d)"))
        return x + rearrange(out, "(b f) (h w) c -> b c f h w", b=b, h=h, w=w)


def in_pieces(function: Callable[[Tensor], Tensor], tokens: Tensor, numbers: int) -> Tensor:
    """A function of (b, p, ...) tokens that treats every p alike; each of them needs so many numbers."""
    if tokens.device.type != "cpu":
        return function(tokens)
    pieces = tokens.split(max(1, CACHED // numbers), 1)
    return torch.cat([function(piece) for piece in pieces], 1) if len(pieces) > 1 else function(tokens)
