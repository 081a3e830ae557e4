"""The scene in the host's conditioning, read by a model's extra_conds."""

import node_helpers
from torch import Tensor

BACKGROUND = "duet_background"  # (1 or F, C, h, w) latents, read by the model's extra_conds


def with_scene(conditioning: list, latents: Tensor) -> list:
    return node_helpers.conditioning_set_values(conditioning, {BACKGROUND: latents})
