"""The shape of a network, read from the shapes of its tensors in diffusers' words."""

import json
import re

from .reading import Weights

CHANNELS = (4, 5)  # latents, and latents with a depth map


def size(weights: Weights, name: str, axis: int = 0) -> int:
    """One side of a tensor that the shape of the network is read from."""
    shape = weights.shapes.get(name, ())
    if len(shape) <= axis:
        raise ValueError(
            f"{weights.name} lacks {name}, from which the shape of its network is read: weights are missing. "
            "Download it again."
        )
    if not shape[axis]:
        raise ValueError(f"{weights.name} has no numbers in {name}: it is damaged. Download it again.")
    return shape[axis]


def count(weights: Weights, before: str) -> int:
    """How many numbered modules follow `before` in the names, at least one."""
    found = [re.match(re.escape(before) + r"(\d{1,3})\.", name) for name in weights.shapes]
    return 1 + max((int(match[1]) for match in found if match), default=0)


def base_fields(weights: Weights) -> dict:
    """The 2-D fields of a configuration for a U-Net, or for a ControlNet's half of one."""
    levels = range(count(weights, "down_blocks."))
    widths = tuple(size(weights, f"down_blocks.{i}.resnets.0.conv1.weight") for i in levels)
    middle = "mid_block.attentions.0"
    linear = len(weights.shapes.get(f"{middle}.proj_in.weight", ())) == 2
    uneven = [width for width in widths if width % 32]
    if uneven:
        raise ValueError(
            f"{weights.name} has levels {uneven} channels wide; a U-Net that can be read without a configuration has "
            "widths that divide by 32. Save it as a Duet file, which carries one."
        )
    return {
        "in_channels": size(weights, "conv_in.weight", 1),
        "out_channels": size(weights, "conv_out.weight") if "conv_out.weight" in weights.shapes else 4,
        "block_out_channels": widths,
        "layers_per_block": count(weights, "down_blocks.0.resnets."),
        "attention_levels": tuple(f"down_blocks.{i}.attentions.0.norm.weight" in weights.shapes for i in levels),
        "cross_attention_dim": size(weights, f"{middle}.transformer_blocks.0.attn2.to_k.weight", 1),
        "use_linear_projection": linear,
        "attention_head_dim": heads(weights, widths, linear),
        "norm_num_groups": groups(weights),
    }


def heads(weights: Weights, widths: tuple[int, ...], linear: bool) -> int | tuple[int, ...]:
    """Heads of attention, which no tensor shows: Stable Diffusion 1 has 8 everywhere, 2 has heads 64 channels wide."""
    declared = weights.metadata.get("attention_head_dim")
    if declared is None:
        return tuple(max(1, width // 64) for width in widths) if linear else 8
    try:
        value = json.loads(declared)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and len(value) == len(widths) and all(type(n) is int and n > 0 for n in value):
        return tuple(value)
    if type(value) is int and value > 0:
        return value
    raise ValueError(
        f"{weights.name} says attention_head_dim is {declared[:100]!r}; a number of heads, or one for each level, was expected. "
        "Save it again without."
    )


def groups(weights: Weights) -> int:
    """Groups of the norms, which no tensor shows: Stable Diffusion has 32."""
    declared = weights.metadata.get("norm_num_groups", "32")
    if not re.fullmatch("[0-9]{1,6}", declared) or not int(declared):
        raise ValueError(
            f"{weights.name} says norm_num_groups is {declared[:100]!r}; a number of groups was expected. Save it again without."
        )
    return int(declared)


def motion_shape(weights: Weights) -> tuple[tuple[int, ...], int, int]:
    """Widths of the levels, motion modules in each and attentions in each module."""
    inner = "motion_modules.0.temporal_transformer"
    widths = [size(weights, f"down_blocks.{i}.{inner}.norm.weight") for i in range(count(weights, "down_blocks."))]
    layers = count(weights, "down_blocks.0.motion_modules.")
    attentions = count(weights, f"down_blocks.0.{inner}.transformer_blocks.0.attention_blocks.")
    return tuple(widths), layers, attentions
