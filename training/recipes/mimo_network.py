"""The network that the recipe mimo trains: a new one, one that extends a picture model, or a trained one."""

from pathlib import Path

import torch
from torch import Tensor

from ...models.files import open_model
from ...models.pair.foreground import latent_width
from ...models.unet.config import MIMO_PAPER, VideoUNetConfig
from ...models.unet.inflation import inflate_unet
from ...models.unet.network import VideoUNet
from ...models.unet.switches import switches_of, with_switches
from .shape import shape_from_settings

SHAPE = {  # with motion modules 7.9 MiB in half precision
    "block_out_channels": (48, 56, 64), "norm_num_groups": 8, "attention_levels": (True, True, False), "layers_per_block": 1,
    "attention_head_dim": 4, "cross_attention_dim": 64, "motion_code": (16, 32, 48, 64),
}  # fmt: skip
STILL = {"temporal": "none", "motion_mid_block": False}
MOVING = {"temporal": "motion_modules", "motion_mid_block": True}
CHARACTER = (
    "in_channels",
    "prediction",
    "zero_snr",
    "reference",
    "motion_code",
)  # set when a picture model is extended
ADDED = ("motion_modules.", "clip_proj.")  # parts that a file may lack


def start_unet(model: dict, moving: bool) -> VideoUNet:
    """A character model from a file, one that extends a picture model, or a new one of the shape in the settings."""
    shape = shape_from_settings(model)
    if not model.get("init"):
        unet = VideoUNet(new_config(shape, moving))
        if unet.video.motion_code:
            unet.pose_guider.conv_out.reset_parameters()  # zero-initialised only where trained weights must keep their output
        return unet
    config, state, _ = open_model(model["init"])
    state = {name: value.float() for name, value in state.items()}
    more = (MOVING if moving and config.temporal is None else {}) | shape | token_width({})
    if not config.motion_code:  # a picture model
        gained = {name: switches_of(MIMO_PAPER)[name] for name in CHARACTER}
        return inflate_unet(state, with_switches(config, **gained | more))
    return load_weights(VideoUNet(with_switches(config, **more)), state, Path(model["init"]).name)


def load_weights(unet: VideoUNet, state: dict[str, Tensor], name: str) -> VideoUNet:
    """A character model with the weights of a file, which may be without motion modules."""
    expected = {name: value.shape for name, value in unet.state_dict().items()}
    optional = {name: shape for name, shape in expected.items() if any(part in name for part in ADDED)}
    found = optional | {name: value.shape for name, value in state.items()}
    unfit = sorted({name for name, _ in found.items() ^ expected.items()})
    if unfit:
        raise ValueError(
            f"{name} does not fit the config of this run, such as {', '.join(unfit[:3])}: leave config out of model."
        )
    unet.load_state_dict(state, strict=False)
    return unet


def new_config(shape: dict, moving: bool) -> VideoUNetConfig:
    """A new network: 3.4 million numbers, or 4.1 with motion modules."""
    return with_switches(MIMO_PAPER, **SHAPE | (MOVING if moving else STILL) | shape | token_width(shape))


def token_width(shape: dict) -> dict:
    """The switch for the width of the character's tokens."""
    return {"foreground_width": latent_width(shape.get("out_channels", MIMO_PAPER.out_channels))}


def unused_weights(unet: VideoUNet) -> list[Tensor]:
    """Weights of the reference network after its last attention, whose output is not used."""
    if not unet.video.reference:
        return []
    config, weights = unet.video, list(unet.reference.parameters())
    side = 2 ** len(config.block_out_channels)
    latents, tokens = torch.zeros(1, config.out_channels, side, side), torch.zeros(1, 1, config.cross_attention_dim)
    features = sum(part.sum() for part in unet.read_reference(latents, tokens)[0])
    found = torch.autograd.grad(features, weights, allow_unused=True)
    return [weight for weight, gradient in zip(weights, found, strict=True) if gradient is None]
