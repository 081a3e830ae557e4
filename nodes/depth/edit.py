"""Depth pictures changed by hand: one object moved in depth, two clips blended."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import DEPTH_BLENDS
from ..inputs.depth import as_image, by_frames, grey, grey_beside
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .normalize import CATEGORY
from .remap import curve_heights

OCCLUSIONS = ("by depth", "in front")


def greys_over_time(start: float, end: float, curve, frames: int) -> Tensor:
    """(N,) greys from start to end by the heights of the curve, evenly without one."""
    heights = torch.linspace(0, 1, frames) if curve is None else curve_heights(curve, frames)
    return start + (end - start) * heights.clamp(0, 1)


class MoveObjectInDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMoveObjectInDepth",
            display_name="Move Object in Depth",
            category=CATEGORY,
            description="Moves one object of a depth clip nearer or farther over time. What is then nearer than the object "
            "hides it; its place and size in the picture stay.",
            search_aliases=[
                "move in depth", "move depth", "slide depth", "depth offset", "depth edit", "depth over time", "z move",
                "push back", "bring to front", "bring forward", "occlusion", "relief", "flatten depth", "parallax",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures, near is white."),
                io.Mask.Input(
                    "object_mask",
                    tooltip="White where the object is visible: one mask for the whole clip, or one for each frame. A frame "
                    "with an empty mask does not change.",
                ),
                io.Float.Input(
                    "start_grey", default=0.0, min=0.0, max=1.0, step=0.001,
                    tooltip="Mean grey of the object in the first frame: 0 is far, 1 is near.",
                ),
                io.Float.Input(
                    "end_grey", default=1.0, min=0.0, max=1.0, step=0.001,
                    tooltip="Mean grey of the object in the last frame: 0 is far, 1 is near. Set it to start_grey for an "
                    "object that stays at one depth.",
                ),
                io.Float.Input(
                    "relief", default=1.0, min=0.0, max=10.0, step=0.01, advanced=True,
                    tooltip="Factor for the object's own relief: 0 makes it flat, 1 keeps it, more deepens it. Lower it "
                    "for an object that moves far away.",
                ),
                io.Float.Input(
                    "feather", default=0.0, min=0.0, max=256.0, step=0.5, advanced=True,
                    tooltip="Pixels over which the edge fades, half of them inside the object. 0 keeps the edge of the mask.",
                ),
                io.Combo.Input(
                    "occlusion", options=list(OCCLUSIONS), default=OCCLUSIONS[0], advanced=True,
                    tooltip="What hides the object. by depth: whatever is nearer, pixel by pixel. in front: nothing, the "
                    "object is visible wherever its mask is white.",
                ),
                io.Custom("CURVE").Input(
                    "motion_curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="Motion over the clip, from a Curve Editor: left is the first frame, right the last, a height of "
                    "0 is start_grey and of 1 end_grey. Without a curve the object moves evenly.",
                ),
                clip_input(
                    "scene_depth", optional=True,
                    tooltip="Depth without the object, if available: one picture for a still camera, or one for each frame. "
                    "Without it the depth behind the object is filled from its surroundings.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The edited depth in grey, from 0 to 1."),
                io.Mask.Output(display_name="changed_mask", tooltip="White where the edited depth differs from the input."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, depth, object_mask, start_grey, end_grey, relief, feather, occlusion, motion_curve=None, scene_depth=None
    ) -> io.NodeOutput:
        from ...models.depth.edit import move_object
        from ..host.progress import progress
        from ..inputs import checks

        check_clip_memory("Move Object in Depth", depth, 7)
        depth = grey(depth)
        mask = checks.mask(object_mask, "object_mask", len(depth), depth.shape[1:]).to(depth.device)
        scene = None if scene_depth is None else grey_beside(scene_depth, depth, "scene_depth")
        greys = greys_over_time(start_grey, end_grey, motion_curve, len(depth)).to(depth.device)
        moved, changed = move_object(
            depth, mask, greys, relief, feather, occlusion == OCCLUSIONS[0], scene, progress(len(depth))
        )
        return io.NodeOutput(as_image(moved), changed.float())


class BlendDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetBlendDepth",
            display_name="Blend Depth",
            category=CATEGORY,
            description="Combines two depth clips: mixed, or the nearer or the farther one at each pixel, over time by a "
            "curve and within a mask. For pictures use Composite Layers.",
            search_aliases=[
                "mix depth", "depth mix", "merge depth", "depth crossfade", "fade depth", "combine depth", "z merge",
                "nearest depth", "depth strength",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures, near is white."),
                clip_input(
                    "other_depth",
                    tooltip="Grey depth pictures, as many frames and the same size. Normalize Depth with the same fixed "
                    "range gives both clips the same greys.",
                ),
                io.Combo.Input(
                    "blend_mode", options=list(DEPTH_BLENDS), default=DEPTH_BLENDS[0],
                    tooltip="How both become one. mix: a fade from one to the other. nearest: the nearer of both at each "
                    "pixel, so that two scenes share one space. farthest: the farther of both.",
                ),
                io.Float.Input(
                    "blend_factor", default=0.5, min=0.0, max=1.0, step=0.01,
                    tooltip="Strength of the blend: 0 keeps depth, 1 is other_depth, or the whole nearest or farthest.",
                ),
                io.Custom("CURVE").Input(
                    "strength_curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="Strength over the clip, from a Curve Editor: left is the first frame, right the last, the "
                    "height is multiplied with blend_factor. Without a curve the strength is constant.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where the blend applies: one mask for the whole clip, or one for each frame.",
                ),
            ],
            outputs=[io.Image.Output(display_name="depth", tooltip="The blended depth in grey, from 0 to 1.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, other_depth, blend_mode, blend_factor, strength_curve=None, mask=None) -> io.NodeOutput:
        from ...models.depth.edit import blend
        from ..inputs import checks

        check_clip_memory("Blend Depth", depth, 5)
        depth = grey(depth)
        other = grey(other_depth, "other_depth").to(depth.device)
        checks.same_frames(depth=depth, other_depth=other)
        checks.same_size(depth=depth, other_depth=other)
        if mask is not None:
            mask = checks.mask(mask, "mask", len(depth), depth.shape[1:]).to(depth.device)
        factor = blend_factor * curve_heights(strength_curve, len(depth))
        part = lambda clip, index: None if clip is None else clip[index : index + 1]
        one = lambda i: blend(part(depth, i), part(other, i), factor[i], blend_mode, part(mask, i))[0]
        return io.NodeOutput(by_frames(depth, one))
