"""Depth pictures: one range for a clip, levels over time, heat maps and back."""

import numpy as np
import torch
from comfy_api.input import CurveInput
from comfy_api.latest import io
from torch import Tensor

from ..models.choices import COLOUR_MAPS, DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SOURCES, DEPTH_SPACES
from .host.types import DA3Geometry, MoGeGeometry

CATEGORY = "Duet/depth"


def read_depth(depth: Tensor | dict, source: str) -> tuple[Tensor, Tensor, str]:
    """A depth picture or a geometry to (N, H, W) depth, (N, H, W) bool where it counts, and what its numbers mean."""
    from . import checks

    if not isinstance(depth, dict):
        depth = checks.depth(depth)
        return depth, torch.ones_like(depth, dtype=torch.bool), source
    plane = depth.get("depth")
    if not isinstance(plane, Tensor) or plane.ndim != 3 or plane.numel() == 0:
        raise ValueError(
            f"depth: expected a geometry with depth (N, H, W), got {checks.describe(plane)}: "
            "connect Run Depth Anything 3 or Run MoGe, or a depth picture."
        )
    plane = plane.cpu()  # MoGe leaves its geometry on the GPU
    size = {"frames": len(plane), "size": plane.shape[1:]}
    valid = torch.ones_like(plane, dtype=torch.bool)
    if depth.get("mask") is not None:
        valid &= checks.mask(depth["mask"], "mask of the geometry", **size).cpu() > 0.5
    if depth.get("sky") is not None:
        valid &= checks.mask(depth["sky"], "sky of the geometry", **size).cpu() < 0.5
    return plane, valid, "distance"


def as_image(depth: Tensor) -> Tensor:
    """(N, H, W) to (N, H, W, 3)."""
    return depth[..., None].repeat(1, 1, 1, 3)


def grey(depth: Tensor, name: str = "depth") -> Tensor:
    """A depth picture from 0 to 1 as (N, H, W)."""
    from . import checks

    return checks.depth(checks.rgb(depth, name), name).clamp(0, 1)


def over_time(curve: CurveInput | dict | list | None, frames: int) -> Tensor | float:
    """The (N,) heights of a curve from the first to the last frame; a single frame is the first."""
    if curve is None:
        return 1.0
    return torch.from_numpy(CurveInput.from_raw(curve).interp_array(np.linspace(0.0, 1.0, frames))).float()


class NormalizeDepthClip(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetNormalizeDepthClip",
            display_name="Normalize Depth Clip",
            category=CATEGORY,
            description="Turns the depth of a whole clip into grey pictures with one range for all frames. A wall that "
            "stands still keeps its grey while something else moves, so the depth does not flicker.",
            search_aliases=["depth flicker", "temporal depth", "depth range", "metric depth", "inverse depth", "disparity"],
            inputs=[
                io.MultiType.Input(
                    "depth", types=[io.Image, DA3Geometry, MoGeGeometry],
                    tooltip="Depth pictures of any range, or the geometry of Depth Anything 3 or MoGe. "
                    "Geometry is better: its depth is still the same in every frame.",
                ),
                io.Combo.Input(
                    "source", options=list(DEPTH_SOURCES), default=DEPTH_SOURCES[0],
                    tooltip="What the numbers of a depth picture mean. near is large: near is white, as for ControlNet. "
                    "far is large: far is white, as in compositing. distance: metres, where 0 means unknown. "
                    "Geometry is always a distance.",
                ),
                io.Combo.Input(
                    "space", options=list(DEPTH_SPACES), default=DEPTH_SPACES[0],
                    tooltip="inverse works with 1 / depth: more greys for what is near, and what depth ControlNets "
                    "expect of distances. as given keeps the numbers in proportion.",
                ),
                io.Combo.Input(
                    "range_mode", options=list(DEPTH_RANGES), default=DEPTH_RANGES[0],
                    tooltip="min-max: from the nearest to the farthest pixel of the clip. percentile: the same without "
                    "the outliers named by low and high. fixed: near and far as set below, equal for many clips.",
                ),
                io.Float.Input(
                    "low", default=1.0, min=0.0, max=100.0, step=0.1,
                    tooltip="For percentile: this many percent of the nearest pixels are cut off.",
                ),
                io.Float.Input(
                    "high", default=99.0, min=0.0, max=100.0, step=0.1,
                    tooltip="For percentile: everything beyond this many percent, counted from the nearest, is far.",
                ),
                io.Float.Input(
                    "near", default=0.0, min=-1000000.0, max=1000000.0, step=0.01,
                    tooltip="For fixed: the depth of the near end, in the units of the input.",
                ),
                io.Float.Input(
                    "far", default=1.0, min=-1000000.0, max=1000000.0, step=0.01,
                    tooltip="For fixed: the depth of the far end, in the units of the input.",
                ),
                io.Combo.Input(
                    "polarity", options=list(DEPTH_POLARITIES), default=DEPTH_POLARITIES[0],
                    tooltip="near is white suits ControlNet, near is black suits After Effects and Blender.",
                ),
                io.Mask.Input(
                    "sky", optional=True,
                    tooltip="White where the depth does not count: sky or anything else that shall be the far end.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in grey, from 0 to 1."),
                io.Float.Output(display_name="near", tooltip="The depth of the near end, in the units of the input."),
                io.Float.Output(display_name="far", tooltip="The depth of the far end, in the units of the input."),
                io.Mask.Output(display_name="valid", tooltip="White where the depth is known and no sky."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, source, space, range_mode, low, high, near, far, polarity, sky=None) -> io.NodeOutput:
        from ..models import depth as clips
        from . import checks

        depth, valid, source = read_depth(depth, source)
        if sky is not None:
            valid = valid & (checks.mask(sky, "sky", len(depth), depth.shape[1:]).to(depth.device) < 0.5)
        valid = valid & clips.known(depth, source, space)
        picture, near, far = clips.normalize_clip(
            depth, valid, range_mode, near, far, low, high, source, space, polarity
        )
        return io.NodeOutput(as_image(picture), near, far, valid.float())


class RemapDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetRemapDepth",
            display_name="Remap Depth",
            category=CATEGORY,
            description="Levels for depth: stretches a part of the range, bends the middle, turns near and far around, "
            "and fades all of it in or out over the clip with a curve.",
            search_aliases=["depth levels", "depth gamma", "invert depth", "depth contrast", "animate depth"],
            inputs=[
                io.Image.Input("depth", tooltip="Depth pictures in grey."),
                io.Float.Input(
                    "near", default=1.0, min=0.0, max=1.0, step=0.001,
                    tooltip="The grey that becomes the near end; what is nearer is cut off. Lower it to spread far things.",
                ),
                io.Float.Input(
                    "far", default=0.0, min=0.0, max=1.0, step=0.001,
                    tooltip="The grey that becomes the far end; what is farther is cut off. Raise it to lose the background.",
                ),
                io.Float.Input(
                    "gamma", default=1.0, min=0.01, max=100.0, step=0.01,
                    tooltip="Above 1 brightens the middle, below 1 darkens it. Both ends stay.",
                ),
                io.Boolean.Input("invert", default=False, tooltip="Turns near and far around, after everything else."),
                io.Custom("CURVE").Input(
                    "curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="A Curve Editor: from left to right the clip from its first to its last frame, "
                    "its height how much of the change applies. Without a curve all of it applies.",
                ),
            ],
            outputs=[io.Image.Output(display_name="depth", tooltip="The remapped depth in grey, from 0 to 1.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, near, far, gamma, invert, curve=None) -> io.NodeOutput:
        from ..models.depth import remap

        depth = grey(depth)
        return io.NodeOutput(as_image(remap(depth, near, far, gamma, invert, over_time(curve, len(depth)))))


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
        from ..models.colormap import encode

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
        from ..models.colormap import decode
        from . import checks

        return io.NodeOutput(as_image(decode(checks.rgb(heat_map, "heat_map"), colormap)))


NODES = [NormalizeDepthClip, RemapDepth, DepthToHeatMap, HeatMapToDepth]
