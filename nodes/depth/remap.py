"""Levels of depth pictures, over time."""

import numpy as np
import torch
from comfy_api.input import CurveInput
from comfy_api.latest import io
from torch import Tensor

from ..inputs.depth import by_frames, grey
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .normalize import CATEGORY


def curve_heights(curve: CurveInput | dict | list | None, frames: int) -> Tensor:
    """The (N,) heights of a curve from the first to the last frame, 1 without one; a single frame is the first."""
    if curve is None:
        return torch.ones(frames)
    return torch.from_numpy(CurveInput.from_raw(curve).interp_array(np.linspace(0.0, 1.0, frames))).float()


class RemapDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetRemapDepth",
            display_name="Remap Depth",
            category=CATEGORY,
            description="Levels for depth pictures: stretches a part of the range, brightens or darkens the middle, swaps "
            "near and far, and fades the change in or out over the clip.",
            search_aliases=[
                "depth levels", "depth gamma", "invert depth", "depth invert", "near black", "depth contrast",
                "depth curve", "depth ramp", "animate depth", "depth over time", "depth map",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures, near is white."),
                io.Float.Input(
                    "near_grey", default=1.0, min=0.0, max=1.0, step=0.001,
                    tooltip="Grey that becomes the near end; what is nearer is cut off. Lower it for more contrast in the "
                    "distance.",
                ),
                io.Float.Input(
                    "far_grey", default=0.0, min=0.0, max=1.0, step=0.001,
                    tooltip="Grey that becomes the far end; what is farther is cut off. Raise it to remove the background.",
                ),
                io.Float.Input(
                    "gamma", default=1.0, min=0.01, max=100.0, step=0.01,
                    tooltip="Brightness of the middle greys: above 1 brighter, below 1 darker. Both ends stay.",
                ),
                io.Boolean.Input(
                    "invert", default=False, tooltip="Swaps near and far, after everything else: black becomes near."
                ),
                io.Custom("CURVE").Input(
                    "strength_curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="Strength of the change over the clip, from a Curve Editor: left is the first frame, right the "
                    "last, the height is the strength from 0 to 1. Without a curve the whole change applies.",
                ),
            ],
            outputs=[io.Image.Output(display_name="depth", tooltip="The remapped depth in grey, from 0 to 1.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, near_grey, far_grey, gamma, invert, strength_curve=None) -> io.NodeOutput:
        from ...models.depth.edit import remap

        check_clip_memory("Remap Depth", depth, 4)
        depth = grey(depth)
        strength = curve_heights(strength_curve, len(depth))
        levels = lambda index: remap(depth[index : index + 1], near_grey, far_grey, gamma, invert, strength[index])[0]
        return io.NodeOutput(by_frames(depth, levels))
