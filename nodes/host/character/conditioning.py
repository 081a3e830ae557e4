"""What the host's conditioning carries of a character, read by a model's extra_conds."""

import node_helpers
from torch import Tensor

REFERENCE = "duet_reference"  # (1, C, h, w) latents of a picture of the character
LAYERS = "duet_layers"  # (1 or F, n C, h, w) latents of n layers: the scene, the occluder
BODY = "duet_body"  # ((1 or F, 3, H, W) pictures,): in a tuple, or the host would cut them at each step


def set_reference(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {REFERENCE: latents})


def set_layers(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {LAYERS: latents})


def set_body(conditioning: list, pictures: Tensor) -> list:
    """(1 or F, H, W, 3) pictures of a body in [0, 1]."""
    return node_helpers.conditioning_set_values(conditioning, {BODY: (pictures.movedim(-1, 1),)})
