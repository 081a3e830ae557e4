"""A model of the host itself that is small enough for a test."""

import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.supported_models import SD15


def host_model():
    """A Stable Diffusion 1 of the host with a small network."""
    config = SD15({
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
        "channel_mult": [1, 2], "transformer_depth": [1, 0], "transformer_depth_output": [1, 1, 0, 0],
        "transformer_depth_middle": 1, "num_heads": 4, "context_dim": 768, "use_spatial_transformer": True,
        "dtype": torch.float32,
    })  # fmt: skip
    config.set_inference_dtype(torch.float32, None)
    torch.manual_seed(0)
    made = BaseModel(config, unet_model=UNetModel)
    for value in made.diffusion_model.parameters():
        torch.nn.init.normal_(value, std=0.05)
    return ModelPatcher(made, torch.device("cpu"), torch.device("cpu"))
