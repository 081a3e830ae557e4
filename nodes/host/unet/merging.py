"""Our weights under the names of the host's own U-Net, by which its merging nodes choose blocks (input, middle, out)."""

from functools import cache

from torch import Tensor

from ....models.files.ldm import RESNET, modules
from ....models.unet.config import VideoUNetConfig

UNET = "diffusion_model."
FIRST_CONVOLUTION = UNET + "input_blocks.0.0.weight"
ENDS = {"down_blocks.": "input_blocks.", "mid_block.": "middle_block.", "up_blocks.": "output_blocks."}
INNER = ("streams.video.", "streams.depth.", "reference.")  # networks inside a network


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


class WithHostNames(dict):
    """Weights of ours that are also found under the names of the host's U-Net; only our own names are listed.

    The first convolution then reads the noise alone, as that of a ControlNet does, not the scene or depth beside it.
    """

    def __init__(self, state: dict[str, Tensor], video: VideoUNetConfig):
        super().__init__(state)
        self.noise = video.out_channels
        own = (key for key in state if key.startswith(UNET))
        self.ours = {UNET + host_name(key.removeprefix(UNET), video): key for key in own}

    def __contains__(self, key: str) -> bool:
        return super().__contains__(key) or key in self.ours

    def __missing__(self, key: str) -> Tensor:
        weight = self[self.ours[key]]
        return weight[:, : self.noise] if key == FIRST_CONVOLUTION else weight


@cache
def host_modules(attends: tuple[bool, ...], layers: int) -> dict[str, str]:
    """{our name of a module: the host's}, and of the layers in a ResBlock."""
    table = {ours: theirs for theirs, ours in modules(attends, layers)}
    resnets = {ours: theirs for ours, theirs in table.items() if ".resnets." in ours}
    inside = {f"{ours}.{new}": f"{theirs}.{old}" for ours, theirs in resnets.items() for old, new in RESNET.items()}
    return table | inside
