"""The flow U-Net in its usual formulation, which the fast one is tested and timed against.

The first convolution runs over the picture's features repeated for every frame, attention moves its tokens together,
computes all queries and keys at once and the softmax step by step. Same weights, same output.
"""

import copy

import torch
from einops import einsum, rearrange
from torch import Tensor

from .attention import ChannelNorm, LinearAttention, SpaceAttention, TimeAttention
from .unet import FlowUNet


def as_reference(unet: FlowUNet) -> FlowUNet:
    """The same network, sharing its weights, in the usual formulation."""
    weights = {id(value): value for value in unet.parameters()}
    twin = copy.deepcopy(unet, weights)
    swap = {
        FlowUNet: ReferenceUNet,
        TimeAttention: ReferenceTimeAttention,
        LinearAttention: ReferenceLinearAttention,
        SpaceAttention: ReferenceSpaceAttention,
    }
    for module in twin.modules():
        module.__class__ = swap.get(type(module), type(module))
    return twin


def normed(norm: ChannelNorm, x: Tensor) -> Tensor:
    """(b c f h w)."""
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * norm.gamma


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """(... n i d) queries, keys and values to outputs."""
    scores = einsum(q, k, "... i d, ... j d -> ... i j") + bias
    weights = (scores - scores.amax(-1, keepdim=True).detach()).softmax(-1)
    return einsum(weights, v, "... i j, ... j d -> ... i d")


def rotated(x: Tensor) -> Tensor:
    """(... f d) with neighbouring pairs of channels rotated from frame to frame."""
    speed = 10000.0 ** (-torch.arange(0, x.shape[-1], 2, device=x.device) / x.shape[-1])
    angle = (torch.arange(x.shape[-2], device=x.device)[:, None] * speed).repeat_interleave(2, -1)
    across = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    return x * angle.cos() + across * angle.sin()


class ReferenceUNet(FlowUNet):
    def first_conv(self, state: Tensor, features: Tensor | None, still_part: Tensor | None) -> Tensor:
        features = features[:, :, None].expand(-1, -1, state.shape[2], -1, -1)
        return self.init_conv(torch.cat((state, features), 1).contiguous())


class ReferenceTimeAttention(TimeAttention):
    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        tokens = rearrange(normed(self.norm, x), "b c f h w -> b (h w) f c")
        q, k, v = (rearrange(one, "b p f (n d) -> b p n f d", n=self.heads) for one in self.to_qkv(tokens).chunk(3, -1))
        out = attended(rotated(q * q.shape[-1] ** -0.5), rotated(k), v, bias)
        out = self.to_out(rearrange(out, "b p n f d -> b p f (n d)"))
        return rearrange(out, "b (h w) f c -> b c f h w", h=x.shape[-2]).contiguous() + x


class ReferenceLinearAttention(LinearAttention):
    def forward(self, x: Tensor) -> Tensor:
        frames = rearrange(normed(self.norm, x), "b c f h w -> (b f) c h w").contiguous()
        qkv = self.to_qkv(frames).chunk(3, 1)
        q, k, v = (rearrange(one, "g (n d) h w -> g n d (h w)", n=self.heads) for one in qkv)
        q, k = q.softmax(-2) * q.shape[-2] ** -0.5, k.softmax(-1)
        shared = einsum(k, v, "g n d p, g n e p -> g n d e")
        out = einsum(shared, q, "g n d e, g n d p -> g n e p")
        out = self.to_out(rearrange(out, "g n d (h w) -> g (n d) h w", h=x.shape[-2]))
        return rearrange(out, "(b f) c h w -> b c f h w", b=len(x)).contiguous() + x


class ReferenceSpaceAttention(SpaceAttention):
    def forward(self, x: Tensor) -> Tensor:
        tokens = rearrange(normed(self.norm, x), "b c f h w -> (b f) (h w) c")
        q, k, v = (rearrange(one, "g p (n d) -> g n p d", n=self.heads) for one in self.to_qkv(tokens).chunk(3, -1))
        out = self.to_out(rearrange(attended(q * q.shape[-1] ** -0.5, k, v), "g n p d -> g p (n d)"))
        return rearrange(out, "(b f) (h w) c -> b c f h w", b=len(x), h=x.shape[-2]).contiguous() + x
