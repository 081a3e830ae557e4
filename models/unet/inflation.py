"""A new video U-Net from the weights of a 2-D one: its adapters do not change the output until they are trained."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from .config import VideoUNetConfig
from .network import VideoUNet


def inflate_unet(state: dict[str, Tensor], config: VideoUNetConfig) -> VideoUNet:
    """A video U-Net with the weights of a 2-D one; adapters that these lack keep their initial weights."""
    unet = VideoUNet(config)
    if config.reference:
        state = with_character_inputs(state, config, list(unet.reference.state_dict()))
    missing, unexpected = unet.load_state_dict(state, strict=False)
    lost = set(missing) & set(UNet2DConditionModel(**config.base()).state_dict()) - {"class_embedding.weight"}
    if lost or unexpected:
        raise ValueError(
            f"These weights do not fit a 2-D U-Net of this shape: {len(lost)} are missing and {len(unexpected)} are "
            f"left over, such as {', '.join(sorted([*lost, *unexpected])[:3])}."
        )
    if config.background == "conv" and "conv_bg.weight" in missing:
        with torch.no_grad():
            unet.conv_bg.weight.copy_(unet.conv_in.weight)
    return unet


def with_character_inputs(state: dict[str, Tensor], config: VideoUNetConfig, reference: list[str]) -> dict[str, Tensor]:
    """A picture model's weights with zero weights for the layers beside the noise, and copies for the reference network.

    reference: the names of the weights of that network.
    """
    copies = {f"reference.{name}": state[name] for name in reference if name in state}
    first = state.get("conv_in.weight")
    if config.layer_codes and first is not None and first.shape[1] == config.out_channels:
        zeros = first.new_zeros(first.shape[0], config.in_channels - first.shape[1], *first.shape[2:])
        state = state | {"conv_in.weight": torch.cat((first, zeros), 1)}
    return {**state, **copies}
