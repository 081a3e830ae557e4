"""Layers as separate images, for another compositor."""

from comfy_api.latest import io

from ..host.types import Layers
from ..inputs.memory import check_clip_memory
from .decompose import CATEGORY

ALPHA_MODES = ("straight", "premultiplied")


class SplitLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = (("scene", "the scene"), ("person", "the person"), ("occluder", "the objects in front of the person"))
        outputs = []
        for name, words in names:
            outputs += [
                io.Image.Output(display_name=name, tooltip=f"The colours of {words}."),
                io.Mask.Output(
                    display_name=f"{name}_alpha", tooltip=f"The share of {words} in each pixel, white is all of it."
                ),
                io.Image.Output(display_name=f"{name}_depth", tooltip=f"The depth of {words}, near is white."),
            ]
        return io.Schema(
            node_id="DuetSplitLayers",
            display_name="Split Layers into Images (Mattes)",
            category=CATEGORY,
            description="Gives the colours, alpha and depth of each layer as images and masks, for another compositor such "
            "as After Effects or Nuke, or for nodes that work on one layer.",
            search_aliases=[
                "layers to images", "export layers", "separate layers", "RGBA", "alpha", "matte", "AOV", "parallax",
                "compositing", "After Effects",
            ],
            inputs=[
                Layers.Input(
                    "layers",
                    tooltip="From Decompose into Layers or Edit Layers. From Fill Scene Behind Person, soft edges are free of "
                    "the colours of the scene.",
                ),
                io.Combo.Input(
                    "alpha_mode", options=list(ALPHA_MODES), default=ALPHA_MODES[0], advanced=True,
                    tooltip="straight: full colours up to the edge, as most programs expect. premultiplied: colours times "
                    "alpha; the three layers then add up to the clip.",
                ),
                io.Int.Input(
                    "object_number", default=-1, min=-1, max=1000, step=1, advanced=True,
                    tooltip="Number of one object for the occluder outputs, as in the preview; -1 takes all objects in front "
                    "of the person.",
                ),
            ],
            outputs=outputs,
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, alpha_mode, object_number) -> io.NodeOutput:
        from ...models.layers.exports import export
        from ..host.progress import progress
        from ..inputs import clips
        from ..inputs.depth import as_image

        layers = clips.layers(layers)
        if object_number >= layers.count:
            raise ValueError(
                f"object_number: expected a number below {layers.count}, got {object_number}: take it from the preview."
            )
        check_clip_memory("Split Layers into Images", layers.images, 15)
        parts = export(layers, alpha_mode, object_number, progress(len(layers.images)))
        return io.NodeOutput(*(out for image, alpha, depth in parts for out in (image, alpha, as_image(depth))))
