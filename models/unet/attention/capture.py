"""Features and cross-attention maps of the up blocks, for the consistency losses.

The network's output stays the same: its own processors still run, and their results are kept.
Letters as in pair/layout.py; h x w grid and n tokens of a frame, d channels of a token, t tokens of the context.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

FEATURES = ("attn1", "hidden", "query", "none")
SIDE = 32  # tokens along a side: motion compares every token with every other, so memory grows with its fourth power


@dataclass
class Layer:
    """What was captured of one transformer layer in the last pass."""

    name: str
    side: int = SIDE
    size: tuple[int, int] = (0, 0)  # h x w of the layer itself
    features: Tensor | None = None  # (k m f) n d
    maps: Tensor | None = None  # (k m f) heads n t, after the softmax
    residual: Tensor | None = None  # (k m f) (h w) d, what attn1 adds to

    @property
    def step(self) -> int:
        """Neighbours along a side that are averaged to one token."""
        return max(1, ceil(max(self.size) / self.side))

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of what was captured: n is their product."""
        return ceil(self.size[0] / self.step), ceil(self.size[1] / self.step)

    def keep_size(self, _, args: tuple) -> None:
        self.size = tuple(args[0].shape[2:])

    def keep_residual(self, _, args: tuple) -> None:
        self.residual = args[0]


def pooled(tokens: Tensor, size: tuple[int, int], step: int) -> Tensor:
    """... (h w) d averaged in squares of step x step to ... n d."""
    if step == 1:
        return tokens
    picture = rearrange(tokens.flatten(0, -3), "b (h w) d -> b d h w", h=size[0])
    # Squares that hang over the edge are averaged over what they hold.
    picture = F.avg_pool2d(picture, step, ceil_mode=True)
    return rearrange(picture, "b d h w -> b (h w) d").reshape(*tokens.shape[:-2], -1, tokens.shape[-1])


class CaptureFeatures:
    """Runs the processor that attn1 had and keeps the features of each token."""

    def __init__(self, inner, layer: Layer, kind: str):
        self.inner, self.layer, self.kind = inner, layer, kind

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None) -> Tensor:
        answer = self.inner(
            attn, hidden_states, encoder_hidden_states=encoder_hidden_states, attention_mask=attention_mask
        )
        features = attn.to_q(hidden_states) if self.kind == "query" else answer
        if self.kind == "hidden":
            features, self.layer.residual = features + self.layer.residual, None
        self.layer.features = pooled(features, self.layer.size, self.layer.step)
        return answer


class CaptureMaps:
    """Runs the processor that attn2 had and keeps where each token looks.

    The maps are computed once more, since the fused kernel never holds them; so even a network with shared maps gives
    the maps that each modality would have by itself.
    """

    def __init__(self, inner, layer: Layer):
        self.inner, self.layer = inner, layer

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key = (
            x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (attn.to_q(hidden_states), attn.to_k(context))
        )
        inputs = (query, key, attn.scale, self.layer.size, self.layer.step)
        if self.layer.step > 1 and torch.is_grad_enabled():
            # At 64 x 64 the maps of one clip take half a gigabyte a layer: computed again in the backward pass instead.
            maps = checkpoint(maps_of, *inputs, use_reentrant=False, preserve_rng_state=False)
        else:
            maps = maps_of(*inputs)
        self.layer.maps = maps
        return self.inner(
            attn, hidden_states, encoder_hidden_states=encoder_hidden_states, attention_mask=attention_mask
        )


def maps_of(query: Tensor, key: Tensor, scale: float, size: tuple[int, int], step: int) -> Tensor:
    """(k m f) heads (h w) e queries and t keys to (k m f) heads n t shares that sum to 1."""
    with full_precision(query):
        return pooled((query.float() @ key.float().transpose(-1, -2) * scale).softmax(-1), size, step)


@contextmanager
def capture(unet: nn.Module, features: str = "attn1", maps: bool = True, side: int = SIDE) -> Iterator[list[Layer]]:
    """A list of the up blocks' transformer layers that every pass inside the `with` fills anew.

    features is the output of the self-attention ("attn1"), that and its residual ("hidden"), its "query", or "none".
    Larger grids than side x side are averaged down.
    """
    check(unet, features, side)
    with ExitStack() as undo:
        layers = []
        for name, transformer, block in up_layers(unet):
            layer = Layer(name, side)
            undo.callback(transformer.register_forward_pre_hook(layer.keep_size).remove)
            if features == "hidden":
                undo.callback(block.norm1.register_forward_pre_hook(layer.keep_residual).remove)
            if features != "none":
                inject(undo, block.attn1, CaptureFeatures(block.attn1.processor, layer, features))
            if maps:
                inject(undo, block.attn2, CaptureMaps(block.attn2.processor, layer))
            layers.append(layer)
        yield layers


def inject(undo: ExitStack, attn: nn.Module, processor) -> None:
    undo.callback(attn.set_processor, attn.processor)
    attn.set_processor(processor)


def check(unet: nn.Module, features: str, side: int) -> None:
    if features not in FEATURES:
        raise ValueError(f"Features to capture are one of {', '.join(FEATURES)}, not {features!r}.")
    if side < 1:
        raise ValueError(f"Features are captured with at least 1 token along a side, not {side}.")
    if any(getattr(part, "gradient_checkpointing", False) for part in unet.up_blocks.modules()):
        # The backward pass would run the layers once more after the processors are gone.
        raise ValueError(
            "The losses on features and maps need the up blocks without gradient checkpointing, but it is on: switch it "
            "off there, or give both losses the weight 0."
        )


def up_layers(unet: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Name, transformer and block of each layer of the up blocks; levels without attention have none."""
    for level, up in enumerate(unet.up_blocks):
        for i, transformer in enumerate(getattr(up, "attentions", None) or ()):
            for j, block in enumerate(transformer.transformer_blocks):
                yield f"up_blocks.{level}.attentions.{i}.transformer_blocks.{j}", transformer, block


def full_precision(x: Tensor):
    """No automatic casts to half precision: 8 bits cannot hold the difference of two similar softmaxes."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
