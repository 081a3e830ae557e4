"""A network for fewer latent channels as one for more: the added channels are not read, and their prediction is zero.

So it predicts of the first channels what it predicted before, and learns the added ones.
"""

import re

import torch
from torch import Tensor

from ...models.pair.foreground import latent_width
from ...models.unet.config import ImageTokens, VideoUNetConfig
from ...models.unet.switches import with_switches

PART = r"((streams\.\w+|reference)\.)?"
READS = re.compile(PART + r"(conv_in|conv_bg)\.weight")
WRITES = re.compile(PART + r"conv_out\.(weight|bias)")
TOKENS = re.compile(PART + r"clip_proj\.weight")


def with_latent_channels(
    config: VideoUNetConfig, state: dict[str, Tensor], channels: int
) -> tuple[VideoUNetConfig, dict[str, Tensor]]:
    """Configuration and weights for as many latent channels; refuses fewer than there are."""
    own = config.out_channels
    if channels < own:
        raise ValueError(
            f"model: vae has {channels} latent channels, but the model of init reads {own}: take the VAE that belongs to it."
        )
    if channels == own:
        return config, state
    groups, beside = divmod(config.in_channels, own)
    changes = {"in_channels": groups * channels + beside, "out_channels": channels}
    from_vae = isinstance(config.tokens, ImageTokens) and config.token_width == latent_width(own)
    changes |= {"foreground_width": latent_width(channels)} if from_vae else {}
    added = channels - own
    wide = dict(state)
    for name, value in state.items():
        if READS.fullmatch(name):
            wide[name] = with_zeros(value, 1, [own] * (value.shape[1] // own), added)
        elif WRITES.fullmatch(name):
            wide[name] = with_zeros(value, 0, [own], added)
        elif TOKENS.fullmatch(name) and from_vae:
            first = latent_width(own) - latent_width(0)
            wide[name] = with_zeros(value, 1, [first], latent_width(channels) - latent_width(own))
    return with_switches(config, **changes), wide


def with_zeros(value: Tensor, axis: int, groups: list[int], added: int) -> Tensor:
    """Zeros behind each group of an axis; what follows the groups stays last."""
    rest = value.shape[axis] - sum(groups)
    parts = value.split([*groups, rest], axis)
    shape = [added if i == axis else side for i, side in enumerate(value.shape)]
    return torch.cat([one for part in parts[:-1] for one in (part, value.new_zeros(shape))] + [parts[-1]], axis)
