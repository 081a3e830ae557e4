"""Attention to a picture of the character (MIMO section 3.3; AnimateAnyone's ReferenceNet).

A second U-Net reads the picture once and leaves what it sees in front of each self-attention. The self-attentions of the
video U-Net then meet these features beside a frame's own. Letters as in pair/layout.py; n tokens of a frame, s of the
reference, t of the context, c channels.
"""

from functools import partial

import torch
from torch import Tensor, nn

from ..pair.attend import Attend, attention
from ..pair.layout import ClipLayout

Features = list[Tensor]  # (1, s, c) for each transformer block, in the order of a forward pass
ANSWER = ("conv_norm_out", "conv_out")  # of a U-Net that only looks


class ReadsReference:
    """Queries of a frame meet its own tokens and the reference's; a chunk without a reference sees itself alone."""

    def __init__(self, layout: ClipLayout):
        self.layout = layout
        self.seen: list[Tensor | None] = []  # (1, s, c) or None for each chunk, set before a forward pass

    def __call__(self, attn, hidden_states: Tensor, *_, **__) -> Tensor:
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        answer = self.over(lambda q, k, v: attention(q, k, v, attn.heads), q, k, v, attn)
        return attn.to_out[1](attn.to_out[0](answer))

    def over(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, attn) -> Tensor:
        """Any attention of q (k m f) n c to k and v of the same shape; attn projects the reference as it does tokens."""
        if all(seen is None for seen in self.seen):
            return attend(q, k, v)
        parts = zip(self.seen, *(x.chunk(len(self.seen)) for x in (q, k, v)), strict=True)
        return torch.cat([self.of_chunk(attend, attn, *part) for part in parts])

    def of_chunk(self, attend: Attend, attn, seen: Tensor | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if seen is None:  # not with its own tokens twice in place of the reference: half of the work
            return attend(q, k, v)
        seen = seen.to(q)
        return attend(q, beside(k, attn.to_k(seen)), beside(v, attn.to_v(seen)))


def beside(own: Tensor, seen: Tensor) -> Tensor:
    """(m f) n c and 1 s c to (m f) (n + s) c."""
    return torch.cat((own, seen.expand(len(own), -1, -1)), 1)


def without_answer(unet: nn.Module) -> nn.Module:
    """A U-Net that only looks: 682 weights in Stable Diffusion 1."""
    for name in ANSWER:
        delattr(unet, name)
    return unet


def features_of(unet: nn.Module, latents: Tensor, context: Tensor) -> list[Features]:
    """b C h w clean latents and b t c tokens to what each picture shows to the attentions: its normed tokens."""
    blocks, found = unet.transformer_blocks(), {}
    hooks = [block.norm1.register_forward_hook(partial(keep, found, i)) for i, block in enumerate(blocks)]
    try:
        walk = unet.begin(latents, torch.zeros(len(latents), device=latents.device), context)
        for step in unet.steps():
            step(walk)
    finally:
        for hook in hooks:
            hook.remove()
    return [[found[i][n : n + 1] for i in range(len(blocks))] for n in range(len(latents))]


def keep(found: dict[int, Tensor], i: int, module: nn.Module, inputs: tuple, answer: Tensor) -> None:
    found[i] = answer


def show(readers: list[ReadsReference], reference: list[Features | None] | None, chunks: int) -> None:
    """Give each reader its features, one entry for each chunk; None takes away what they had."""
    if reference is not None and len(reference) != chunks:
        raise ValueError(
            f"A forward pass of {chunks} conditioning chunks needs as many references, got {len(reference)}: give each "
            "chunk the features of a picture, or None."
        )
    for i, reader in enumerate(readers):
        reader.seen = [None if features is None else features[i] for features in reference or ()]
