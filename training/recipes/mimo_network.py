"""The network that the recipe mimo trains: a new one, one that grows from a picture model, or one that goes on."""

from pathlib import Path

import torch
from torch import Tensor

from ...models.files import open_model
from ...models.pair.foreground import latent_width
from ...models.unet.config import MIMO_PAPER, VideoUNetConfig
from ...models.unet.inflation import inflate_unet
from ...models.unet.network import VideoUNet
from ...models.unet.switches import switches_of, with_switches
from .shape import shape_asked

SHAPE = {  # with motion modules 7.9 MiB in half precision
    "block_out_channels": (48, 56, 64), "norm_num_groups": 8, "attention_levels": (True, True, False), "layers_per_block": 1,
    "attention_head_dim": 4, "cross_attention_dim": 64, "motion_code": (16, 32, 48, 64),
}  # fmt: skip
STILL = {"temporal": "none", "motion_mid_block": False}
MOVING = {"temporal": "motion_modules", "motion_mid_block": True}
CHARACTER = ("in_channels", "prediction", "zero_snr", "reference", "motion_code")  # what a picture model gains
ADDED = ("motion_modules.", "clip_proj.")  # what a file may be without


def start_unet(model: dict, moving: bool) -> VideoUNet:
    """A character model from a file, one that grows from a picture model, or a new one of the given shape."""
    shape = shape_asked(model)
    if not model.get("init"):
        unet = VideoUNet(new_config(shape, moving))
        if unet.video.motion_code:
            unet.pose_guider.conv_out.reset_parameters()  # a new network need not begin as another answers
        return unet
    config, state, _ = open_model(model["init"])
    state = {name: value.float() for name, value in state.items()}
    more = (MOVING if moving and config.temporal is None else {}) | shape | tokens_of({})
    if not config.motion_code:  # a picture model
        gained = {name: switches_of(MIMO_PAPER)[name] for name in CHARACTER}
        return inflate_unet(state, with_switches(config, **gained | more))
    return with_weights(VideoUNet(with_switches(config, **more)), state, Path(model["init"]).name)


def with_weights(unet: VideoUNet, state: dict[str, Tensor], name: str) -> VideoUNet:
    """A character model with the weights of a file, which may be without motion modules."""
    expected = {name: value.shape for name, value in unet.state_dict().items()}
    optional = {name: shape for name, shape in expected.items() if any(part in name for part in ADDED)}
    found = optional | {name: value.shape for name, value in state.items()}
    lost = sorted({name for name, _ in found.items() ^ expected.items()})
    if lost:
        raise ValueError(
            f"{name} does not fit the config of this run, such as {', '.join(lost[:3])}: leave config out of model."
        )
    unet.load_state_dict(state, strict=False)
    return unet


def new_config(shape: dict, moving: bool) -> VideoUNetConfig:
    """A network that begins from nothing: 3.4 million numbers, or 4.1 with motion modules."""
    return with_switches(MIMO_PAPER, **SHAPE | (MOVING if moving else STILL) | shape | tokens_of(shape))


def tokens_of(shape: dict) -> dict:
    """The width of the tokens that tell of the character."""
    return {"foreground_width": latent_width(shape.get("out_channels", MIMO_PAPER.out_channels))}


def unseen(unet: VideoUNet) -> list[Tensor]:
    """Weights of the network that reads the reference behind its last attention: nobody sees what they answer."""
    if not unet.video.reference:
        return []
    config, weights = unet.video, list(unet.reference.parameters())
    side = 2 ** len(config.block_out_channels)
    latents, tokens = torch.zeros(1, config.out_channels, side, side), torch.zeros(1, 1, config.cross_attention_dim)
    features = sum(part.sum() for part in unet.read_reference(latents, tokens)[0])
    found = torch.autograd.grad(features, weights, allow_unused=True)
    return [weight for weight, gradient in zip(weights, found, strict=True) if gradient is None]
