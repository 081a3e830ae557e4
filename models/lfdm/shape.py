"""The shape of a network from the shapes of its weights, so that models of any size open.

Names are ours.
"""

from collections.abc import Mapping

from .config import PICTURE, STATE, AutoencoderConfig, FlowUNetConfig

Shapes = Mapping[str, tuple[int, ...]]


def count(shapes: Shapes, pattern: str) -> int:
    """How many of a numbered list there are: "downs.{}.0.block1.norm.weight"."""
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def widths(shapes: Shapes, pattern: str) -> list[int]:
    return [shapes[pattern.format(i)][0] for i in range(count(shapes, pattern))]


def hourglass(shapes: Shapes, prefix: str, inside: int, first: int | None = None) -> tuple[int, int, int]:
    """(width, largest width, levels); only a decoder shows a width that is not half of the first level's."""
    levels = widths(shapes, prefix + "down_blocks.{}.norm.weight")
    width = levels[0] // 2 if first is None else first - inside
    return width, max(levels), len(levels)


def autoencoder_shape(shapes: Shapes) -> AutoencoderConfig:
    """Of a flow autoencoder."""
    predictor = "generator.pixelwise_flow_predictor."
    regions, region_width = shapes["region_predictor.regions.weight"][:2]
    motions, flow_width = shapes[predictor + "mask.weight"][:2]
    generator = widths(shapes, "generator.down_blocks.{}.norm.weight")
    return AutoencoderConfig(
        regions=regions,
        width=shapes["generator.first.norm.weight"][0],
        max_width=max(generator),
        levels=len(generator),
        bottleneck=count(shapes, "generator.bottleneck.r{}.norm1.weight"),
        flow=hourglass(shapes, predictor + "hourglass.encoder.", motions * (1 + PICTURE), flow_width),
        region=hourglass(shapes, "region_predictor.predictor.encoder.", PICTURE, region_width),
        background=hourglass(shapes, "bg_predictor.encoder.", 2 * PICTURE),
        scale=scale_of(shapes.get("region_predictor.down.weight")),
    )


def scale_of(kernel: tuple[int, ...] | None) -> float:
    """A Gaussian of 8 sigma and one pixel more, with sigma half of (1 / scale - 1)."""
    return 1.0 if kernel is None else 1 / ((kernel[-1] - 1) / 4 + 1)


def unet_shape(shapes: Shapes) -> FlowUNetConfig:
    """Of a flow U-Net, and which of the two variants it is."""
    width, inside = shapes["init_conv.weight"][:2]
    heads = shapes["time_rel_pos_bias.relative_attention_bias.weight"][1]
    levels = widths(shapes, "downs.{}.0.block1.norm.weight")
    return FlowUNetConfig(
        width=width,
        multiples=tuple(level // width for level in levels),
        heads=heads,
        head_width=shapes["init_temporal_attn.to_qkv.weight"][0] // (3 * heads),
        feature_width=inside - STATE,
        text_width=shapes["downs.0.0.mlp.1.weight"][1] - 4 * width,
        upsample="conv" if "ups.0.4.1.weight" in shapes else "deconv",
        null="learned" if "null_cond_emb" in shapes else "zeros",
    )
