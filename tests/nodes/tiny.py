"""A video U-Net small enough for a test, with random weights that answer smoothly, and what is needed to sample it."""

from dataclasses import replace

import torch
from pack.models.config import IDOL, TINY, VideoUNetConfig
from pack.nodes.host.model import native_model

import nodes as host

FRAMES = 3


def tiny_config(**changes) -> VideoUNetConfig:
    return replace(IDOL, **{**TINY, "foreground_width": 0, "cross_modal_width": 64, **changes})


def tiny_weights(config: VideoUNetConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """Every weight is random, the silent adapters too, so that a frame in a wrong place changes the answer."""
    from pack.models.video_unet import VideoUNet

    generator = torch.Generator().manual_seed(seed)
    state = VideoUNet(config).state_dict()
    for name, value in state.items():
        if value.ndim > 1:
            scale = 0.5 / value[0].numel() ** 0.5
            state[name] = torch.randn(value.shape, generator=generator) * scale
    for name in ("conv_out.weight",):  # a gentle answer keeps the trajectory from blowing up rounding errors
        state[name] = state[name] * 0.2
    return state


def tiny_model(seed: int = 0, dtype: torch.dtype | None = None, **changes):
    """A MODEL as Load Video Model gives it."""
    config = tiny_config(**changes)
    return native_model(config, tiny_weights(config, seed), dtype=dtype)


def noise(shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conditioning(seed: int = 1, tokens: int = 5, width: int = 768, **extra) -> list:
    return [[noise((1, tokens, width), seed), extra]]


def latent(count: int = 2 * FRAMES, size: int = 8, **extra) -> dict:
    return {"samples": torch.zeros(count, 4, size, size), **extra}


def ksampler(
    model, positive=None, negative=None, pair=None, *, steps: int = 2, cfg: float = 5.0, seed: int = 7, **rest
):
    """The stock KSampler's own function; (B, 4, h, w)."""
    positive = conditioning(1) if positive is None else positive
    negative = conditioning(2) if negative is None else negative
    pair = latent() if pair is None else pair
    out = host.common_ksampler(model, seed, steps, cfg, "euler", "normal", positive, negative, pair, **rest)
    return out[0]["samples"]


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference in parts of the largest value."""
    return ((a - b).abs().max() / b.abs().max()).item()
