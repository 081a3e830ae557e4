"""The networks of the shapes in plain PyTorch, as the pack builds them, and what one step gives them.

No ComfyUI is needed here. Arithmetic is counted on the meta device, where tensors have shapes and no numbers.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from .shapes import Shape

SMALL_WAN = {"dim": 48, "ffn_dim": 96, "freq_dim": 32, "text_dim": 24, "num_heads": 4, "num_layers": 2}
SMALL_FLOW = {"width": 16, "multiples": (1, 2), "heads": 2, "head_width": 8, "feature_width": 8, "text_width": 12}


def config_of(shape: Shape):
    """The configuration of a shape's network, in the pack's own words."""
    if shape.family == "wan":
        from pack.models.wan.network import PairShape

        return PairShape(**SMALL_WAN) if shape.small else PairShape()
    if shape.family == "flow":
        from pack.models.lfdm.config import MUG_UNET

        return replace(MUG_UNET, **SMALL_FLOW) if shape.small else MUG_UNET
    from pack.models.unet.config import ANIMATEDIFF_V2, IDOL, TINY
    from pack.models.unet.switches import with_switches

    config = IDOL if shape.name == "pair" else ANIMATEDIFF_V2
    return with_switches(config, **TINY) if shape.small else config


def builder(shape: Shape) -> Callable[[], torch.nn.Module]:
    """Makes the network with the pack's own builder, on the device and in the numbers that are the default when it is called.

    What is imported is imported here, before they change: modules make tensors of their own.
    """
    config = config_of(shape)
    if shape.family == "wan":
        from pack.models.wan.network import PairNetwork as network
    elif shape.family == "flow":
        from pack.models.lfdm.unet import FlowUNet as network
    else:
        from pack.models.baselines.separate import build_network as network
    return lambda: network(config).eval()


def step_of(shape: Shape, network: torch.nn.Module) -> Callable[[], torch.Tensor]:
    """One step of sampling: all chunks in one batch, with what a prompt, a scene or a still image gives."""
    call = {"unet": unet_step, "flow": flow_step, "wan": wan_step}[shape.family]
    return call(shape, network)


def unet_step(shape: Shape, network) -> Callable:
    config, chunks = network.video, shape.chunks
    batch = chunks * config.modalities * shape.frames
    latents = torch.randn(batch, config.in_channels, shape.height // 8, shape.width // 8)
    context = torch.randn(batch, shape.tokens, config.cross_attention_dim)
    time, more = torch.full((1,), 500), {}
    if config.background != "none":
        more["background"] = torch.randn_like(latents)
    return lambda: network(latents, time, context, chunks=chunks, **more)


def flow_step(shape: Shape, network) -> Callable:
    """The part of the still image is computed once for all steps, as in a whole run."""
    config, side = network.config, (shape.height // 4, shape.width // 4)
    state, text = torch.randn(shape.chunks, 3, shape.frames, *side), torch.randn(shape.chunks, config.text_width)
    part, time = network.still_part(torch.randn(1, config.feature_width, *side)), torch.full((shape.chunks,), 500)
    return lambda: network(state, time, text=text, still_part=part)


def wan_step(shape: Shape, network) -> Callable:
    config, chunks = network.shape, shape.chunks
    frames = 1 + (shape.frames - 1) // 4
    latents = torch.randn(2 * chunks, config.in_dim, frames, shape.height // 16, shape.width // 16)
    text, time = torch.randn(2 * chunks, shape.tokens, config.text_dim), torch.full((chunks,), 500.0)
    return lambda: network(latents, time, text, "depth")


@contextmanager
def numbers(device: str, dtype: torch.dtype):
    """Everything that is made inside lies on that device and has that type: no network is ever held in two of them."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), torch.inference_mode():
            yield
    finally:
        torch.set_default_dtype(before)


@cache
def count(shape: Shape) -> dict:
    """Weights of a network and the arithmetic of one step, 2 FLOP for a multiplication with an addition."""
    build = builder(shape)
    with numbers("meta", torch.float32):
        network = build()
        step, counter = step_of(shape, network), FlopCounterMode(display=False)
        with counter:
            step()
    weights = sum(value.numel() for value in network.parameters())
    return {"what": shape.what, "size": asdict(shape), "weights": weights, "tflop": counter.get_total_flops() / 1e12}
