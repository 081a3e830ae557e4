"""Conditioning of the host with what our models read from it."""

import node_helpers
from torch import Tensor

BACKGROUND = "duet_background"  # (1 or F, C, h, w) latents, read by the model's extra_conds
DEPTH = "depth_map"  # (1 or F, 1, H, W), read by the model's concat_cond: what is in [-1, 1], or with a range any grey
DEPTH_RANGE = "depth_range"  # how the model stretches a grey depth to [-1, 1]: one of CHANNEL_RANGES

REFERENCE = "duet_reference"  # (1, C, h, w) latents of a picture of the character, read by the model's extra_conds
LAYERS = "duet_layers"  # (1 or F, n C, h, w) latents of n layers: the scene, what passes in front
MOTION_CODE = "duet_motion_code"  # ((1 or F, 3, H, W) pictures,): in a tuple, or the host would cut them at each step


def with_background(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {BACKGROUND: latents})


def with_depth(conditioning: list, depth: Tensor, depth_range: str) -> list:
    """(1 or F, H, W) inverse depth for a model with a depth channel."""
    return node_helpers.conditioning_set_values(conditioning, {DEPTH: depth[:, None], DEPTH_RANGE: depth_range})


def with_reference(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {REFERENCE: latents})


def with_layers(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {LAYERS: latents})


def with_motion_code(conditioning: list, pictures: Tensor) -> list:
    """(1 or F, H, W, 3) pictures in [0, 1] that tell the motion."""
    return node_helpers.conditioning_set_values(conditioning, {MOTION_CODE: (pictures.movedim(-1, 1),)})
