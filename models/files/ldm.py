"""Names of single checkpoint files (latent-diffusion's own) in diffusers' words, for any width, depth and attention."""

import re
from collections.abc import Iterable, Iterator

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "")
RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}


def prefix_of(names: Iterable[str]) -> str | None:
    """What stands before input_blocks in the names of a file, None where there is none."""
    return next((prefix for prefix in PREFIXES if f"{prefix}input_blocks.0.0.weight" in names), None)


def levels_of(names: Iterable[str]) -> tuple[tuple[bool, ...], int]:
    """Which levels attend, and how many ResBlocks each has, from the numbers of the input blocks."""
    numbers = [int(number) for name in names for number in re.findall(r"^input_blocks\.(\d{1,4})\.", name)]
    downs = sum(bool(re.fullmatch(r"input_blocks\.\d+\.0\.op\.weight", name)) for name in names)
    levels = downs + 1
    layers, rest = divmod(max(numbers) + 1 - levels, levels)
    if rest or not layers:
        raise ValueError(
            f"The checkpoint's U-Net has {max(numbers) + 1} input blocks and {downs} downsamplers, which do not make "
            "levels of equal depth: weights are missing. Download it again."
        )
    attends = tuple(f"input_blocks.{1 + i * (layers + 1)}.1.norm.weight" in names for i in range(levels))
    return attends, layers


def modules(attends: tuple[bool, ...], layers: int) -> Iterator[tuple[str, str]]:
    """Pairs of module names, latent-diffusion's and diffusers'."""
    yield from ENDS.items()
    levels = len(attends)
    for i, attends_here in enumerate(attends):
        first = 1 + i * (layers + 1)
        for j in range(layers):
            yield f"input_blocks.{first + j}.0", f"down_blocks.{i}.resnets.{j}"
            if attends_here:
                yield f"input_blocks.{first + j}.1", f"down_blocks.{i}.attentions.{j}"
        if i < levels - 1:
            yield f"input_blocks.{first + layers}.0.op", f"down_blocks.{i}.downsamplers.0.conv"
    for i, attends_here in enumerate(reversed(attends)):
        first = i * (layers + 1)
        for j in range(layers + 1):
            yield f"output_blocks.{first + j}.0", f"up_blocks.{i}.resnets.{j}"
            if attends_here:
                yield f"output_blocks.{first + j}.1", f"up_blocks.{i}.attentions.{j}"
        if i < levels - 1:
            yield f"output_blocks.{first + layers}.{1 + attends_here}.conv", f"up_blocks.{i}.upsamplers.0.conv"


def in_diffusers_words(names: Iterable[str]) -> dict[str, str]:
    """{diffusers' name: name} of a U-Net's weights; a name without a counterpart stays as it is."""
    table = {}
    for ldm, diffusers in modules(*levels_of(names)):
        if ".resnets." in diffusers:
            table |= {f"{ldm}.{part}": f"{diffusers}.{words}" for part, words in RESNET.items()}
        else:
            table[ldm] = diffusers
    return {_renamed(name, table): name for name in names}


def _renamed(name: str, table: dict[str, str]) -> str:
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = table.get(".".join(parts[:end]))
        if module:
            return ".".join([module, *parts[end:]])
    return name
