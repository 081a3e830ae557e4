"""The patches that nodes put between the blocks of the host's own U-Net, at the same places of ours (Deep Shrink, FreeU).

Each gets features of a whole batch, as on the host: every frame, and every depth frame, is a picture to it.
"""

from torch import Tensor

from ....models.unet.changes import Changes
from ....models.unet.config import VideoUNetConfig

PLACES = (
    "emb_patch", "input_block_patch", "input_block_patch_after_skip", "middle_block_after_patch", "output_block_patch",
)  # fmt: skip


class BlockPatches(Changes):
    """The patches of one forward pass; options are the host's transformer_options, which tell each patch where it is."""

    def __init__(self, options: dict, width: int):
        self.options, self.patches, self.width = options, options["patches"], width
        self.inputs = self.outputs = 0

    def embedding(self, emb: Tensor) -> Tensor:
        for patch in self.patches.get("emb_patch", ()):
            emb = patch(emb, self.width, self.options)
        return emb

    def before_skip(self, x: Tensor) -> Tensor:
        self.options["block"] = ("input", self.inputs)
        self.inputs += 1
        return self.run("input_block_patch", x)

    def after_skip(self, x: Tensor) -> Tensor:
        return self.run("input_block_patch_after_skip", x)

    def run(self, name: str, x: Tensor) -> Tensor:
        for patch in self.patches.get(name, ()):
            x = patch(x, self.options)
        return x

    def after_middle(self, x: Tensor, state) -> Tensor:
        self.options["block"] = ("middle", 0)
        context = state.kwargs["encoder_hidden_states"]
        rest = {"x": state.sample, "emb": state.emb, "context": context, "y": None, "timesteps": state.timestep}
        for patch in self.patches.get("middle_block_after_patch", ()):
            x = patch({"h": x, **rest, "transformer_options": self.options})["h"]
        return x

    def before_concatenation(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor | None]:
        self.options["block"] = ("output", self.outputs)
        self.outputs += 1
        for patch in self.patches.get("output_block_patch", ()):
            x, skip = patch(x, skip, self.options)
        return x, skip


def block_patches(options: dict, video: VideoUNetConfig) -> BlockPatches | None:
    """The patches of a forward pass, None where no node set one: blocks then run whole."""
    patches = options.get("patches") or {}
    return BlockPatches(options, video.block_out_channels[0]) if any(patches.get(name) for name in PLACES) else None
