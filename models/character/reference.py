"""Attention to a picture of the character (MIMO section 3.3; AnimateAnyone's ReferenceNet).

A second U-Net, the reference U-Net, reads the picture once; the inputs of its self-attentions are its features. The
self-attentions of the video U-Net attend to these features beside a frame's own tokens. Letters as in pair/layout.py; n
tokens of a frame, s of the reference, t of the context, c channels.
"""

from functools import partial

import torch
from torch import Tensor, nn

from ..pair.attend import Attend, attention
from ..pair.layout import ClipLayout

Features = list[Tensor]  # (1, s, c) for each transformer block, in the order of a forward pass
OUTPUT_LAYERS = ("conv_norm_out", "conv_out")  # which a U-Net that is only read for features does not need


class ReferenceAttention:
    """Queries of a frame attend to its own tokens and the reference's; a chunk without a reference to its own alone."""

    def __init__(self, layout: ClipLayout):
        self.layout = layout
        self.features: list[Tensor | None] = []  # (1, s, c) or None for each chunk, set before a forward pass

    def __call__(self, attn, hidden_states: Tensor, *_, **__) -> Tensor:
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        out = self.over(lambda q, k, v: attention(q, k, v, attn.heads), q, k, v, attn)
        return attn.to_out[1](attn.to_out[0](out))

    def over(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, attn) -> Tensor:
        """Any attention of q (k m f) n c to k and v of the same shape; attn projects the reference as it does tokens."""
        if all(features is None for features in self.features):
            return attend(q, k, v)
        parts = zip(self.features, *(x.chunk(len(self.features)) for x in (q, k, v)), strict=True)
        return torch.cat([self.attend_chunk(attend, attn, *part) for part in parts])

    def attend_chunk(self, attend: Attend, attn, features: Tensor | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if features is None:  # not with its own tokens twice in place of the reference: half of the work
            return attend(q, k, v)
        features = features.to(q)
        return attend(q, append_tokens(k, attn.to_k(features)), append_tokens(v, attn.to_v(features)))


def append_tokens(own: Tensor, reference: Tensor) -> Tensor:
    """(m f) n c and 1 s c to (m f) (n + s) c."""
    return torch.cat((own, reference.expand(len(own), -1, -1)), 1)


def remove_output(unet: nn.Module) -> nn.Module:
    """A U-Net that is only read for its features: 682 weights in Stable Diffusion 1."""
    for name in OUTPUT_LAYERS:
        delattr(unet, name)
    return unet


def reference_features(unet: nn.Module, latents: Tensor, context: Tensor) -> list[Features]:
    """b C h w clean latents and b t c tokens to the normed tokens in front of each self-attention, for each picture."""
    blocks, found = unet.transformer_blocks(), {}
    hooks = [block.norm1.register_forward_hook(partial(store, found, i)) for i, block in enumerate(blocks)]
    try:
        walk = unet.begin(latents, torch.zeros(len(latents), device=latents.device), context)
        for step in unet.steps():
            step(walk)
    finally:
        for hook in hooks:
            hook.remove()
    return [[found[i][n : n + 1] for i in range(len(blocks))] for n in range(len(latents))]


def store(found: dict[int, Tensor], i: int, module: nn.Module, inputs: tuple, output: Tensor) -> None:
    """A forward hook that stores what a module returns."""
    found[i] = output


def set_reference(attentions: list[ReferenceAttention], reference: list[Features | None] | None, chunks: int) -> None:
    """Give each attention its features, one entry for each chunk; None removes those of the last pass."""
    if reference is not None and len(reference) != chunks:
        raise ValueError(
            f"A forward pass of {chunks} conditioning chunks needs as many references, got {len(reference)}: give each "
            "chunk the features of a picture, or None."
        )
    for i, rule in enumerate(attentions):
        rule.features = [None if features is None else features[i] for features in reference or ()]
