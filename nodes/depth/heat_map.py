"""Depth pictures as heat maps and back."""

import logging

from comfy_api.latest import io

from ...models.choices import COLOUR_MAPS
from ..inputs.depth import by_frames, grey
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .normalize import CATEGORY

REVERSED = (
    "Turns the colour map around: near in its first colour instead of its last. Of the maps with a warm and a cool end near is "
    "warm otherwise."
)


def reversed_input() -> io.Boolean.Input:
    return io.Boolean.Input("reversed_colormap", default=False, optional=True, tooltip=REVERSED)


class DepthToHeatMap(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDepthToHeatMap",
            display_name="Depth to Heat Map",
            category=CATEGORY,
            description="Paints grey depth in the colours of a heat map, which keeps more than 256 steps in 8 bits and "
            "shows small differences. Heat Map to Depth turns it back into grey.",
            search_aliases=[
                "colorize depth", "depth colormap", "color depth map", "depth to color", "colormap", "hot", "turbo",
                "viridis", "spectral", "coolwarm", "rainbow", "false color", "false colour", "paint depth",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures."),
                io.Combo.Input(
                    "colormap", options=list(COLOUR_MAPS), default="hot",
                    tooltip="Colours of the heat map. hot suits the video and depth models of this pack and loses least to blur "
                    "and noise; turbo shows small differences best.",
                ),
                reversed_input(),
            ],
            outputs=[io.Image.Output(display_name="heat_map", tooltip="The depth in colours.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, colormap, reversed_colormap=False) -> io.NodeOutput:
        from ...models.depth.colormap import encode

        check_clip_memory("Depth to Heat Map", depth, 4, for_one=28)
        depth = grey(depth)
        turned = lambda frame: 1 - frame if reversed_colormap else frame
        return io.NodeOutput(by_frames(depth, lambda index: encode(turned(depth[index]), colormap)))


class HeatMapToDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetHeatMapToDepth",
            display_name="Heat Map to Depth",
            category=CATEGORY,
            description="Turns heat map pictures back into grey depth: each pixel becomes the depth whose colour is "
            "nearest, so a little noise or blur does little harm. The report says how well the colour map fits.",
            search_aliases=[
                "decode depth", "colormap to grey", "color to depth", "uncolorize depth", "hot to depth", "heatmap to depth",
                "turbo to depth", "rainbow depth to grey", "UnityVideo", "second clip to depth", "false color to grey",
            ],
            inputs=[
                clip_input("heat_map", tooltip="Depth painted in the colours of a heat map."),
                io.Combo.Input(
                    "colormap", options=list(COLOUR_MAPS), default="hot",
                    tooltip="Colours that the depth was painted in; another heat map gives wrong depth. Models of this pack "
                    "generate hot; for UnityVideo choose the one that the report says fits best.",
                ),
                reversed_input(),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in grey, from 0 to 1."),
                io.String.Output(
                    display_name="report",
                    tooltip="How far the colours lie beside the colour map, and which one fits better if that is far.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, heat_map, colormap, reversed_colormap=False) -> io.NodeOutput:
        from ...models.depth.colormap import decode
        from ...models.depth.residual import residual
        from ..host.notice import show_warning
        from ..inputs import checks

        check_clip_memory("Heat Map to Depth", heat_map, 3, for_one=4)
        colours = checks.pictures(heat_map, "heat_map")
        fit = residual(checks.some_pixels(colours), colormap)
        logging.info(fit.text)
        show_warning(fit.advice, "The colour map fits.")
        turned = lambda depth: 1 - depth if reversed_colormap else depth
        depth = by_frames(colours[..., 0], lambda index: turned(decode(colours[index], colormap)))
        return io.NodeOutput(depth, fit.text)
