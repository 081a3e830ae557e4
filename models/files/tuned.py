"""Which weights a one-shot tuning is made of, and their names in Tune-A-Video's files and in single checkpoint files.

112 tensors in Stable Diffusion: the queries of both attentions and the attention over time; 32 more with its norms.
"""

import re
from collections.abc import Iterable

from ..unet.config import ONE_SHOT_FIELDS, VideoUNetConfig
from .ldm import modules

BLOCK = ".transformer_blocks."
WORDS = {".tem_attn.": ".attn_temp.", ".tem_norm.": ".norm_temp."}  # ours, Tune-A-Video's
QUERIES = (".attn1.to_q.weight", ".attn2.to_q.weight")


def is_one_shot(config: VideoUNetConfig) -> bool:
    """Whether a network has the layers that Tune-A-Video adds."""
    fields = all(getattr(config, name) == value for name, value in ONE_SHOT_FIELDS.items())
    return fields and not config.separate


def is_tuned(name: str, norms: bool = False) -> bool:
    """Whether a weight of VideoUNet is tuned on a clip; Tune-A-Video leaves the norms before attention over time."""
    if BLOCK not in name:
        return False
    return name.endswith(QUERIES) or ".tem_attn." in name or (norms and ".tem_norm." in name)


def own_name(name: str) -> str:
    """A name in Tune-A-Video's words as VideoUNet has it."""
    for word, theirs in WORDS.items():
        name = name.replace(theirs, word) if BLOCK in name else name
    return name


def tav_name(name: str) -> str:
    """A name of VideoUNet in Tune-A-Video's words."""
    for word, theirs in WORDS.items():
        name = name.replace(word, theirs) if BLOCK in name else name
    return name


def is_tuning(names: Iterable[str]) -> bool:
    """Whether a file holds a tuning and nothing else."""
    names = list(names)
    return any(".attn_temp." in name for name in names) and all(is_tuned(own_name(name), norms=True) for name in names)


def named_as_ours(names: Iterable[str], config: VideoUNetConfig) -> dict[str, str]:
    """{name in VideoUNet: name} for a tuning in diffusers' words or in those of single checkpoint files."""
    table = dict(modules(config.attention_levels, config.layers_per_block))
    return {own_name(moved(name, table)): name for name in names}


def named_as_ldm(names: Iterable[str]) -> dict[str, str]:
    """{name of a single checkpoint file: name} for a tuning in diffusers' words, whose numbers tell the levels."""
    names = list(names)
    places = {tuple(name.partition(BLOCK)[0].split(".")) for name in names}
    downs = {(number(p, 1), number(p, 3)) for p in places if p[0] == "down_blocks"}
    ups = {number(p, 1) for p in places if p[0] == "up_blocks"}
    if not downs or not ups:  # they are in those words already
        return {tav_name(name): name for name in names}
    lowest = min(level for level, _ in downs)
    attends = tuple(any(level == i for level, _ in downs) for i in range(max(ups) + lowest + 1))
    table = {other: ldm for ldm, other in modules(attends, 1 + max(layer for _, layer in downs))}
    return {tav_name(moved(name, table)): name for name in names}


def number(place: tuple[str, ...], part: int) -> int:
    """The number in a place such as down_blocks.1.attentions.0."""
    if len(place) <= part or not re.fullmatch("[0-9]{1,2}", place[part]):
        raise ValueError(
            f"A tuning has blocks that are numbered, but its names have {'.'.join(place)[:100]!r}: choose another file."
        )
    return int(place[part])


def moved(name: str, table: dict[str, str]) -> str:
    """A name whose transformer is called as the table says."""
    place, block, rest = name.partition(BLOCK)
    return table.get(place, place) + block + rest
