"""What the host's conditioning carries of a character, read by a model's extra_conds."""

import node_helpers
from torch import Tensor

REFERENCE = "duet_reference"  # (1, C, h, w) latents of a picture of the character, read by the model's extra_conds
LAYERS = "duet_layers"  # (1 or F, n C, h, w) latents of n layers: the scene, what passes in front
MOTION_CODE = "duet_motion_code"  # ((1 or F, 3, H, W) pictures,): in a tuple, or the host would cut them at each step


def with_reference(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {REFERENCE: latents})


def with_layers(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {LAYERS: latents})


def with_motion_code(conditioning: list, pictures: Tensor) -> list:
    """(1 or F, H, W, 3) pictures in [0, 1] that tell the motion."""
    return node_helpers.conditioning_set_values(conditioning, {MOTION_CODE: (pictures.movedim(-1, 1),)})
