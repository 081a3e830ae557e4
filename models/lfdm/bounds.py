"""Whether a configuration that a flow file brings is one that a network can have, before the network is built."""

import math

from ..files.bounds import DEPTH, SIDE, several, switch, whole
from .config import AutoencoderConfig, FlowUNetConfig

BLOCKS = 64
LARGEST_SCALE = 64  # parts of a picture's side in which motion is estimated


def check_bounds(config: AutoencoderConfig | FlowUNetConfig) -> None:
    """Every number, list and switch is of its kind and of a size that a model can have."""
    of = of_autoencoder if isinstance(config, AutoencoderConfig) else of_unet
    wrong = [name for name, right in of(config).items() if not right]
    if wrong:
        raise ValueError(f"{wrong[0]} is {str(getattr(config, wrong[0]))[:100]}, which no network can have")


def of_autoencoder(config: AutoencoderConfig) -> dict[str, bool]:
    hourglass = lambda sizes: several(sizes, 3) and len(sizes) == 3 and all(map(whole, sizes)) and sizes[2] <= DEPTH
    return {
        "regions": whole(config.regions),
        "width": whole(config.width),
        "max_width": whole(config.max_width),
        "levels": whole(config.levels, DEPTH),
        "bottleneck": whole(config.bottleneck, BLOCKS, lowest=0),
        "flow": hourglass(config.flow),
        "region": hourglass(config.region),
        "background": hourglass(config.background),
        "scale": number(config.scale, 1) and config.scale >= 1 / LARGEST_SCALE,
        "temperature": number(config.temperature),
    }


def of_unet(config: FlowUNetConfig) -> dict[str, bool]:
    return {
        "width": whole(config.width),
        "multiples": several(config.multiples, DEPTH) and all(map(whole, config.multiples)),
        "heads": whole(config.heads),
        "head_width": whole(config.head_width),
        "groups": whole(config.groups) and whole(config.width) and config.width % config.groups == 0,
        "feature_width": whole(config.feature_width),
        "text_width": whole(config.text_width),
        "motion_scale": number(config.motion_scale),
        "residual": switch(config.residual),
    }


def number(value, most: float = SIDE) -> bool:
    """A real number above zero."""
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= most
