"""Our weights under the names of the host's own U-Net, by which its merging nodes choose blocks (input, middle, out)."""

from functools import cache

import comfy.model_patcher

from ....models.files.ldm import RESNET, modules
from ....models.unet.config import VideoUNetConfig

UNET = "diffusion_model."
ENDS = {"down_blocks.": "input_blocks.", "mid_block.": "middle_block.", "up_blocks.": "output_blocks."}
INNER = ("streams.video.", "streams.depth.", "reference.")  # networks inside a network


class NamedAsHost:
    """A ModelPatcher that answers and takes patches of the whole U-Net under the names of the host's own."""

    def get_key_patches(self, filter_prefix: str | None = None) -> dict:
        patches = super().get_key_patches(filter_prefix)
        if filter_prefix != UNET:
            return patches
        return {UNET + host_name(key.removeprefix(UNET), self.model.video): value for key, value in patches.items()}

    def add_patches(self, patches: dict, strength_patch: float = 1.0, strength_model: float = 1.0) -> list:
        if not any(isinstance(key, str) and is_host_name(key) for key in patches):
            return super().add_patches(patches, strength_patch, strength_model)
        ours = {UNET + host_name(key.removeprefix(UNET), self.model.video): key for key in self.model_state_dict(UNET)}
        named = {ours.get(key, key): key for key in patches}
        added = super().add_patches({new: patches[old] for new, old in named.items()}, strength_patch, strength_model)
        return [named[key] for key in added]


@cache
def named_as_host(kind: type) -> type:
    """The same kind of patcher with those names."""
    return type(kind.__name__, (NamedAsHost, kind), {})


def name_as_host(patcher: comfy.model_patcher.ModelPatcher) -> None:
    patcher.__class__ = named_as_host(type(patcher))


def is_host_name(key: str) -> bool:
    return key.startswith(tuple(UNET + start for start in (*ENDS.values(), "time_embed.", "out.")))


def host_name(name: str, video: VideoUNetConfig) -> str:
    """A weight's name in the host's U-Net; layers that it lacks get names of the blocks they lie in."""
    inner = next((prefix for prefix in INNER if name.startswith(prefix)), "")
    name = name.removeprefix(inner)
    table, parts = host_modules(video.attention_levels, video.layers_per_block), name.split(".")
    known = next((end for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in table), 0)
    if known:
        name = ".".join([table[".".join(parts[:known])], *parts[known:]])
    else:
        name = next((theirs + name for ours, theirs in ENDS.items() if name.startswith(ours)), name)
    return f"{name}.{inner}" if inner else name


@cache
def host_modules(attends: tuple[bool, ...], layers: int) -> dict[str, str]:
    """{our name of a module: the host's}, and of the layers in a ResBlock."""
    table = {ours: theirs for theirs, ours in modules(attends, layers)}
    resnets = {ours: theirs for ours, theirs in table.items() if ".resnets." in ours}
    inside = {f"{ours}.{new}": f"{theirs}.{old}" for ours, theirs in resnets.items() for old, new in RESNET.items()}
    return table | inside
