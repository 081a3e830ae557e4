"""What the host's conditioning carries of a character, read by a model's extra_conds."""

import comfy.model_management as memory
import node_helpers
import torch
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


def empty_latent(frames: int, height: int, width: int) -> dict:
    """A LATENT of F frames for pictures of H and W pixels."""
    return {"samples": torch.zeros(frames, 4, height // 8, width // 8, device=memory.intermediate_device())}
