"""Levels of depth pictures, over time."""

import numpy as np
import torch
from comfy_api.input import CurveInput
from comfy_api.latest import io
from torch import Tensor

from ..inputs.depth import as_image, grey
from .normalize import CATEGORY


def over_time(curve: CurveInput | dict | list | None, frames: int) -> Tensor | float:
    """The (N,) heights of a curve from the first to the last frame; a single frame is the first."""
    if curve is None:
        return 1.0
    return torch.from_numpy(CurveInput.from_raw(curve).interp_array(np.linspace(0.0, 1.0, frames))).float()


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
        from ...models.depth.edit import remap

        depth = grey(depth)
        return io.NodeOutput(as_image(remap(depth, near, far, gamma, invert, over_time(curve, len(depth)))))
