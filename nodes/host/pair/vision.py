"""CLIP's picture tokens as IDOL reads them."""

import torch
from torch import Tensor


def clip_tokens(clip_vision, images: Tensor) -> Tensor:
    """(N, H, W, 3) pictures to all (N, T, D) tokens of the last layer, normed as CLIP norms its first one.

    The host leaves the norm after the last layer out for CLIP, so it is applied here.
    """
    output = clip_vision.encode_image(images)
    tokens, vision = output["last_hidden_state"], clip_vision.model.vision_model
    if getattr(vision, "output_layernorm", False):
        return tokens
    with torch.no_grad():
        return vision.post_layernorm(tokens.to(clip_vision.load_device, clip_vision.dtype)).to(tokens)
