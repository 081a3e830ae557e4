"""Layers handed out one by one, for another compositor."""

from comfy_api.latest import io

from ..host.types import Layers
from .decompose import CATEGORY

COLOURS = ("straight", "premultiplied")


class SplitLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = (("scene", "the scene"), ("human", "the person"), ("occluder", "what stands before the person"))
        outputs = []
        for name, words in names:
            outputs += [
                io.Image.Output(display_name=name, tooltip=f"The colours of {words}."),
                io.Mask.Output(display_name=f"{name}_alpha", tooltip=f"How much of each pixel is {words}."),
                io.Image.Output(display_name=f"{name}_depth", tooltip=f"The depth of {words}, near is white."),
            ]
        return io.Schema(
            node_id="DuetSplitLayers",
            display_name="Split Layers",
            category=CATEGORY,
            description="Hands out every layer with its alpha and its depth, for another compositor or for nodes that "
            "work on one layer. After Complete Scene the colours at soft edges are free of the scene behind.",
            search_aliases=["layers to images", "RGBA", "alpha", "matte", "export layers", "AOV"],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose Layers, Edit Layers or Complete Scene."),
                io.Combo.Input(
                    "colour", options=list(COLOURS), default=COLOURS[0],
                    tooltip="straight: full colours up to the edge, as most programs expect. premultiplied: colours times "
                    "alpha; the three layers add up to the clip.",
                ),
                io.Int.Input(
                    "object", default=-1, min=-1, max=1000, step=1,
                    tooltip="The number of one object for the occluder outputs; -1 takes all that stand in front.",
                ),
            ],
            outputs=outputs,
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, colour, object) -> io.NodeOutput:
        from ...models.layers.exports import export
        from ..host.progress import progress
        from ..inputs import clips
        from ..inputs.depth import as_image

        layers = clips.layers(layers)
        if object >= layers.count:
            raise ValueError(f"object: expected a number below {layers.count}, got {object}: read it off the preview.")
        parts = export(layers, colour, object, progress(len(layers.images)))
        return io.NodeOutput(*(out for image, alpha, depth in parts for out in (image, alpha, as_image(depth))))
