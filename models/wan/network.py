"""UnityVideo's network in plain PyTorch, for training: Wan 2.2 on two streams side by side (arXiv 2512.07831).

Sampling runs ComfyUI's own Wan with exchanged parts (nodes/host/wan/network.py), under the same names of weights.
Letters: k clips, m = 2 streams (video, then modality), C channels, T h w latent frames and pixels, f y x tokens of one
stream, L tokens of text, c features, n heads.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .layout import joined, picked, side_by_side, streams
from .rotary import rotary_table, rotate
from .sentences import MODALITIES

EPS = 1e-6


@dataclass(frozen=True)
class PairShape:
    """Wan 2.2 TI2V 5B with UnityVideo's modalities, unless said otherwise."""

    dim: int = 3072
    ffn_dim: int = 14336
    freq_dim: int = 256
    text_dim: int = 4096
    in_dim: int = 48
    out_dim: int = 48
    num_heads: int = 24
    num_layers: int = 30
    patch_size: tuple[int, int, int] = (1, 2, 2)
    modalities: tuple[str, ...] = MODALITIES


class PairNetwork(nn.Module):
    """(k m) C T h w latents, (k,) times from 0 to 1000 and (k m) L d text to both streams' velocity, noise minus clean."""

    def __init__(self, shape: PairShape):
        super().__init__()
        self.shape, dim = shape, shape.dim
        self.patch_embedding = nn.Conv3d(shape.in_dim, dim, shape.patch_size, shape.patch_size)
        self.text_embedding = nn.Sequential(nn.Linear(shape.text_dim, dim), nn.GELU("tanh"), nn.Linear(dim, dim))
        self.time_embedding = nn.Sequential(nn.Linear(shape.freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, shape.ffn_dim, shape.num_heads) for _ in range(shape.num_layers))
        self.head = Head(dim, shape.out_dim, shape.patch_size)
        self.head.modality = Head(dim, shape.out_dim, shape.patch_size)
        self.modality = Modality(shape)
        self.gradient_checkpointing = False

    def forward(self, latents: Tensor, time: Tensor, text: Tensor, modality: str | None) -> Tensor:
        pair = side_by_side(latents)
        tokens, grid = self.embed(pair, modality)
        when = self.time_embedding(sinusoids(time, self.shape.freq_dim).type_as(self.time_embedding[0].weight))[:, None]
        how = self.time_projection(when).unflatten(2, (6, -1))
        text, table = self.text_embedding(text), rotary_table(grid, self.shape.dim // self.shape.num_heads, pair.device)
        for block in self.blocks:
            if self.gradient_checkpointing and self.training:
                tokens = checkpoint(block, tokens, how, table, text, grid, use_reentrant=False)
            else:
                tokens = block(tokens, how, table, text, grid)
        heads = torch.cat((self.head(tokens, when), self.head.modality(tokens, when)))
        return picked(unpatch(heads, grid, self.shape.patch_size))

    def embed(self, pair: Tensor, modality: str | None) -> tuple[Tensor, tuple[int, int, int]]:
        """k C T h (m w) to k (f y m x) c tokens and their grid, f by y by m x."""
        video, other = pair.chunk(2, -1)
        both = torch.cat((self.patch_embedding(video), self.modality(other, modality)), -1)
        return both.flatten(2).transpose(1, 2), tuple(both.shape[2:])

    def enable_gradient_checkpointing(self) -> None:
        self.gradient_checkpointing = True

    def start_added(self) -> None:
        """The second stream as a copy of the video's: then the network is Wan on two videos side by side."""
        with torch.no_grad():
            self.modality.patch_embedding.load_state_dict(self.patch_embedding.state_dict())
            own = {name: value for name, value in self.head.state_dict().items() if not name.startswith("modality.")}
            self.head.modality.load_state_dict(own)
            nn.init.eye_(self.modality.flow_in.weight)
            nn.init.zeros_(self.modality.flow_in.bias)
            for embedding in self.modality.embeddings.parameters():
                nn.init.zeros_(embedding)


class Modality(nn.Module):
    """k C T h w to k c f y x: the second stream's patches, and what it shows."""

    def __init__(self, shape: PairShape):
        super().__init__()
        self.patch_embedding = nn.Conv3d(shape.in_dim, shape.dim, shape.patch_size, shape.patch_size)
        self.flow_in = nn.Linear(shape.dim, shape.dim)
        self.embeddings = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape.dim)) for name in shape.modalities})

    def forward(self, x: Tensor, shown: str | None) -> Tensor:
        tokens = self.flow_in(self.patch_embedding(x).movedim(1, -1))
        if shown is not None:
            tokens = tokens + self.embeddings[shown].type_as(tokens)
        return tokens.movedim(-1, 1)


class Block(nn.Module):
    """Self-attention over both streams, cross-attention of each to its own text, and a feed-forward layer."""

    def __init__(self, dim: int, ffn_dim: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, EPS, elementwise_affine=False)
        self.self_attn = Attention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, EPS)
        self.cross_attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, EPS, elementwise_affine=False)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.GELU("tanh"), nn.Linear(ffn_dim, dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def forward(self, x: Tensor, how: Tensor, table: Tensor, text: Tensor, grid) -> Tensor:
        """k (f y m x) c tokens, k 1 6 c modulation, (k m) L c text."""
        shift, scale, gate, shift2, scale2, gate2 = (self.modulation + how.flatten(0, 1)).type_as(x).chunk(6, 1)
        x = x + gate * self.self_attn(self.norm1(x) * (1 + scale) + shift, table=table)
        x = x + joined(self.cross_attn(streams(self.norm3(x), grid), text), grid)
        return x + gate2 * self.ffn(self.norm2(x) * (1 + scale2) + shift2)


class Attention(nn.Module):
    """(B, L, c) to itself or to text, with normalised queries and keys."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = Norm(dim, EPS), Norm(dim, EPS)

    def forward(self, x: Tensor, text: Tensor | None = None, table: Tensor | None = None) -> Tensor:
        source = x if text is None else text
        q, k, v = self.norm_q(self.q(x)), self.norm_k(self.k(source)), self.v(source)
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in (q, k, v))
        if table is not None:
            q, k = rotate(q, table), rotate(k, table)
        out = F.scaled_dot_product_attention(*(part.transpose(1, 2) for part in (q, k, v)))
        return self.o(out.transpose(1, 2).flatten(2))


class Norm(nn.RMSNorm):
    """In the numbers of its input, as autocast has them."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.type_as(x), self.eps)


class Head(nn.Module):
    """k L c tokens to k L (patch C) values."""

    def __init__(self, dim: int, channels: int, patch: tuple[int, int, int]):
        super().__init__()
        self.norm = nn.LayerNorm(dim, EPS, elementwise_affine=False)
        self.head = nn.Linear(dim, math.prod(patch) * channels)
        self.modulation = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)

    def forward(self, x: Tensor, when: Tensor) -> Tensor:
        shift, scale = (self.modulation + when).type_as(x).chunk(2, 1)
        return self.head(self.norm(x) * (1 + scale) + shift)


def sinusoids(time: Tensor, width: int) -> Tensor:
    """(k,) times to (k, width): cosines, then sines."""
    rates = torch.pow(10000, -torch.arange(width // 2, device=time.device) / (width // 2))
    angles = time.float()[:, None] * rates
    return torch.cat((angles.cos(), angles.sin()), 1)


def unpatch(tokens: Tensor, grid, patch) -> Tensor:
    """B (f y x) (p q r C) to B C (f p) (y q) (x r)."""
    cells = tokens.unflatten(1, grid).unflatten(-1, (*patch, -1))  # B f y x p q r C
    return cells.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(2, 3).flatten(3, 4).flatten(4, 5)
