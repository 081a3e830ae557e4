"""The host's own U-Net and ours with the same weights, both as MODEL: what a node does to one it must do to the other."""

from dataclasses import replace

import torch

from tiny.files import random_state

WIDTH, HEADS = 64, 8
SHAPE = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": WIDTH, "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4], "transformer_depth": [1, 1, 1, 1, 0, 0], "num_heads": HEADS, "context_dim": 768,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 0, 0, 0], "transformer_depth_middle": 1, "use_spatial_transformer": True,
}  # fmt: skip


def models_of_both(seed: int = 3) -> tuple:
    """The host's MODEL and ours."""
    from comfy.model_base import BaseModel
    from comfy.model_patcher import ModelPatcher
    from comfy.supported_models import SD15
    from pack.models.files.ldm import in_diffusers_words
    from pack.models.unet.config import SD1
    from pack.nodes.host.unet.model import native_model

    settings = SD15(dict(SHAPE, dtype=torch.float32))
    settings.set_inference_dtype(torch.float32, None)
    base = BaseModel(settings, device=torch.device("cpu"))
    state = random_state(base.diffusion_model, seed)
    state = {name: value * 2 if value.ndim > 1 and name != "out.2.weight" else value for name, value in state.items()}
    base.diffusion_model.load_state_dict(state)
    host = ModelPatcher(base, torch.device("cpu"), torch.device("cpu"))
    config = replace(SD1, block_out_channels=(WIDTH, 2 * WIDTH, 4 * WIDTH), attention_levels=(True, True, False))
    ours = {new: state[old].clone() for new, old in in_diffusers_words(list(state)).items()}
    return host, native_model(config, ours)
