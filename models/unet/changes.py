"""What may change the features of a forward pass between its layers, and the blocks walked one layer at a time for it.

Letters as in pair/layout.py; c channels of the features.
"""

import logging

import torch
from torch import Tensor, nn


class Changes:
    """Changes nothing: a subclass overrides what it changes. Features and skips are (k m f) c h w."""

    def embedding(self, emb: Tensor) -> Tensor:
        """(k m f) 4 C0 embedding of the time, before that of the modality is added."""
        return emb

    def before_skip(self, x: Tensor) -> Tensor:
        """The features behind an input layer, before they are stored as a skip."""
        return x

    def after_skip(self, x: Tensor) -> Tensor:
        """The same after they are stored: the skip stays as it is."""
        return x

    def after_middle(self, x: Tensor, state) -> Tensor:
        """The features behind the middle block; state is the network's ForwardState."""
        return x

    def before_concatenation(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor | None]:
        """The features and the skip in front of an output layer."""
        return x, skip


def store_skip(state) -> None:
    """Store the features as a skip, with what changes them before and after."""
    x = state.changes.before_skip(state.x)
    state.skips.append(x)
    state.x = state.changes.after_skip(x)


def down_by_layers(block: nn.Module, state, residual: Tensor | None) -> None:
    """A down block one layer at a time; the residual of a T2I-adapter is added behind the last ResBlock."""
    for resnet, attention in layers_of(block):
        state.x = through(resnet, attention, state.x, state)
        if residual is not None and resnet is block.resnets[-1]:
            state.x = state.x + residual
        store_skip(state)
    for downsampler in block.downsamplers or ():
        state.x = downsampler(state.x)
        store_skip(state)


def up_by_layers(block: nn.Module, state) -> None:
    """An up block one layer at a time, so that each skip can change before it is concatenated."""
    for resnet, attention in layers_of(block):
        x, skip = state.changes.before_concatenation(state.x, state.skips.pop())
        state.x = through(resnet, attention, concatenated(x, skip), state)
    for upsampler in block.upsamplers or ():
        state.x = upsampler(state.x, state.skips[-1].shape[2:])


def layers_of(block: nn.Module):
    """Each ResBlock with the transformer behind it, or None."""
    return zip(block.resnets, getattr(block, "attentions", None) or [None] * len(block.resnets), strict=True)


def through(resnet: nn.Module, attention: nn.Module | None, x: Tensor, state) -> Tensor:
    x = resnet(x, state.emb)
    return x if attention is None else attention(x, **state.kwargs)[0]


def concatenated(x: Tensor, skip: Tensor | None) -> Tensor:
    return x if skip is None else torch.cat((x, skip), 1)


def add_residual(features: Tensor, residual: Tensor | int) -> Tensor:
    """With the residual of a ControlNet; where a change made the features smaller it does not fit, and only the log says so."""
    if isinstance(residual, Tensor) and residual.shape[2:] != features.shape[2:]:
        logging.warning(
            "A ControlNet is left out of features of %s, which a patch such as Deep Shrink resized from %s.",
            " x ".join(map(str, features.shape[:1:-1])), " x ".join(map(str, residual.shape[:1:-1])),
        )  # fmt: skip
        return features
    return features + residual
