"""Depth pictures as heat maps and back."""

from comfy_api.latest import io

from ...models.choices import COLOUR_MAPS
from ..inputs.depth import as_image, grey
from .normalize import CATEGORY


class DepthToHeatMap(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDepthToHeatMap",
            display_name="Depth to Heat Map",
            category=CATEGORY,
            description="Paints grey depth in the colours of a heat map, which keeps more than 256 steps in 8 bits and "
            "which some models of video with depth are trained on. Heat Map to Depth reads it back.",
            search_aliases=["colorize depth", "colormap", "hot", "turbo", "viridis", "false colour"],
            inputs=[
                io.Image.Input("depth", tooltip="Depth pictures in grey."),
                io.Combo.Input(
                    "colormap", options=list(COLOUR_MAPS), default="hot",
                    tooltip="The colours from black (0) to white (1). hot loses least to blur and noise.",
                ),
            ],
            outputs=[io.Image.Output(display_name="heat_map", tooltip="The depth in colours.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, colormap) -> io.NodeOutput:
        from ...models.depth.colormap import encode

        return io.NodeOutput(encode(grey(depth), colormap))


class HeatMapToDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetHeatMapToDepth",
            display_name="Heat Map to Depth",
            category=CATEGORY,
            description="Reads grey depth back from heat map pictures: each pixel becomes the depth whose colour is "
            "nearest, so a little noise or blur does little harm.",
            search_aliases=["decode depth", "colormap to grey", "uncolorize depth", "hot to depth"],
            inputs=[
                io.Image.Input("heat_map", tooltip="Depth painted in the colours of a heat map."),
                io.Combo.Input(
                    "colormap", options=list(COLOUR_MAPS), default="hot",
                    tooltip="The colours that the depth was painted in. Another map gives wrong depth.",
                ),
            ],
            outputs=[io.Image.Output(display_name="depth", tooltip="The depth in grey, from 0 to 1.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, heat_map, colormap) -> io.NodeOutput:
        from ...models.depth.colormap import decode
        from ..inputs import checks

        return io.NodeOutput(as_image(decode(checks.rgb(heat_map, "heat_map"), colormap)))
