"""Whether a configuration that a file brings can be that of its tensors, before a network is built from it.

A network of a hundred million channels or blocks would fill the memory of the server long before its weights are compared.
"""

from ..unet.config import CrossModal, ImageTokens, MotionModules, Pair, VideoUNetConfig, WordTokens
from .reading import Weights

SIDE = 1 << 16  # channels
DEPTH = 8  # levels, ResBlocks in a level, attentions in a motion module
GUIDER = 16  # convolutions of a pose guider
POSITIONS = 1 << 16  # frames
TOKENS = 1 << 20  # width
WORDS, LETTERS = 10_000, 100


def check_bounds(config: VideoUNetConfig) -> None:
    """Every number, list and switch of a configuration is of its kind and of a size that a model can have."""
    levels = config.block_out_channels
    each_level = len(levels) if isinstance(levels, tuple) else 0
    heads = config.attention_head_dim
    checks = {
        "in_channels": whole(config.in_channels),
        "out_channels": whole(config.out_channels),
        "block_out_channels": several(levels, DEPTH) and all(map(whole, levels)),
        "layers_per_block": whole(config.layers_per_block, DEPTH),
        "attention_levels": several(config.attention_levels, DEPTH) and all(map(switch, config.attention_levels)),
        "attention_head_dim": whole(heads)
        or (several(heads, DEPTH) and len(heads) == each_level and all(map(whole, heads))),
        "cross_attention_dim": whole(config.cross_attention_dim),
        "use_linear_projection": switch(config.use_linear_projection),
        "norm_num_groups": whole(config.norm_num_groups),
        "motion_code": several(config.motion_code, GUIDER, lowest=0) and all(map(whole, config.motion_code)),
    }
    wrong = [name for name, right in (checks | of_groups(config)).items() if not right]
    if wrong:
        raise ValueError(f"its {wrong[0]} is no value that a network can have")


def of_groups(config: VideoUNetConfig) -> dict[str, bool]:
    """The same for the groups of adapters that the configuration has."""
    temporal, pair, tokens = config.temporal, config.pair, config.tokens
    checks = {}
    if isinstance(temporal, MotionModules):
        checks["positions"] = whole(temporal.positions, POSITIONS)
        checks["mid_block"] = switch(temporal.mid_block)
        checks["attentions"] = whole(temporal.attentions, DEPTH)
    if isinstance(pair, Pair):
        checks["label"] = all(map(switch, (pair.label, pair.label_in_controlnet, pair.same_place)))
        inside = pair.cross_modal
        checks["cross_modal"] = inside is None or (isinstance(inside, CrossModal) and whole(inside.width, lowest=0))
    if isinstance(tokens, ImageTokens):
        checks["width of tokens"] = whole(tokens.width, TOKENS)
    if isinstance(tokens, WordTokens):
        checks["words"] = several(tokens.words, WORDS) and all(
            isinstance(w, str) and 0 < len(w) <= LETTERS for w in tokens.words
        )
    return checks


def whole(value, most: int = SIDE, lowest: int = 1) -> bool:
    return type(value) is int and lowest <= value <= most


def switch(value) -> bool:
    return type(value) is bool


def several(value, most: int, lowest: int = 1) -> bool:
    return isinstance(value, tuple) and lowest <= len(value) <= most


def check_fits_tensors(file: Weights, config: VideoUNetConfig, shapes: dict[str, tuple]) -> None:
    """Refuses a configuration that is wider or deeper than the tensors of the file are large or many."""
    try:
        check_bounds(config)
    except ValueError as error:
        raise ValueError(
            f"{file.name} describes a network that cannot be built: {error}. Choose another file."
        ) from error
    largest = max((side for shape in shapes.values() for side in shape), default=0)
    widest = max(*config.block_out_channels, config.token_width, *config.motion_code)
    blocks = len(config.block_out_channels) * config.layers_per_block
    if widest > largest or blocks > len(shapes):
        raise ValueError(
            f"{file.name} describes a network of {blocks} blocks, up to {widest} channels wide, but its {len(shapes)} "
            f"tensors are at most {largest} wide: it is damaged. Choose another file."
        )
