"""Depth pictures changed by hand: one object moved in depth, two clips blended."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import DEPTH_BLENDS
from ..inputs.depth import as_image, grey
from .normalize import CATEGORY
from .remap import over_time

MODES = ("move", "flatten")
VISIBILITIES = ("occlude", "always in front")


def way(curve, frames: int) -> Tensor:
    """(N,) in 0..1, how far from start to end each frame is: the curve's heights, or without a curve a straight line."""
    heights = torch.linspace(0, 1, frames) if curve is None else over_time(curve, frames)
    return heights.clamp(0, 1)


def same_size(**clips: Tensor) -> None:
    """Refuses (N, H, W) clips of different sizes."""
    sizes = {name: f"{clip.shape[2]} x {clip.shape[1]}" for name, clip in clips.items()}
    if len(set(sizes.values())) > 1:
        came = ", ".join(f"{name} is {size}" for name, size in sizes.items())
        raise ValueError(f"Expected pictures of one size, but {came}: put Upscale Image in front of one of them.")


class MoveInDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMoveInDepth",
            display_name="Move in Depth",
            category=CATEGORY,
            description="Brings one object of a depth clip nearer or farther over time, or flattens it. Where something "
            "beside it is then nearer, that hides it. The object keeps its place and size in the picture.",
            search_aliases=["depth offset", "depth edit", "z move", "push back", "bring to front", "occlusion", "relief"],
            inputs=[
                io.Image.Input("depth", tooltip="Depth pictures in grey, near is white."),
                io.Mask.Input(
                    "mask",
                    tooltip="White where the object is seen: one mask for the whole clip, or one for each frame. A frame "
                    "with an empty mask stays as it is.",
                ),
                io.Float.Input(
                    "start", default=0.0, min=0.0, max=1.0, step=0.001,
                    tooltip="The grey that the object has on average in the first frame. 0 is far, 1 is near.",
                ),
                io.Float.Input(
                    "end", default=1.0, min=0.0, max=1.0, step=0.001,
                    tooltip="The grey that the object has on average in the last frame. The same as start holds it there.",
                ),
                io.Combo.Input(
                    "mode", options=list(MODES), default=MODES[0],
                    tooltip="move: the object keeps its relief. flatten: its relief is scaled by the number below.",
                ),
                io.Float.Input(
                    "relief", default=0.0, min=0.0, max=10.0, step=0.01,
                    tooltip="For flatten: 0 makes the object a flat card, 1 leaves it as it is, more deepens it.",
                ),
                io.Float.Input(
                    "feather", default=0.0, min=0.0, max=256.0, step=0.5,
                    tooltip="Over how many pixels the edge fades, half of them inside. 0 keeps the edge of the mask.",
                ),
                io.Combo.Input(
                    "visibility", options=list(VISIBILITIES), default=VISIBILITIES[0],
                    tooltip="occlude: whatever is nearer hides the object, pixel by pixel. always in front: the object is "
                    "seen wherever its mask is white.",
                ),
                io.Custom("CURVE").Input(
                    "curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="A Curve Editor: from left to right the clip from its first to its last frame, its height the "
                    "way from start to end. Without a curve the object moves evenly.",
                ),
                io.Image.Input(
                    "behind", optional=True,
                    tooltip="The depth without the object, if you have it: one picture for a still camera, or one for each "
                    "frame. Without it the place behind the object is filled from around it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The edited depth in grey, from 0 to 1."),
                io.Mask.Output(display_name="changed", tooltip="White where the depth is no longer what it was."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, depth, mask, start, end, mode, relief, feather, visibility, curve=None, behind=None
    ) -> io.NodeOutput:
        from ...models.depth.edit import move_object
        from ..inputs import checks

        depth = grey(depth)
        mask = checks.mask(mask, "mask", len(depth), depth.shape[1:]).to(depth.device)
        behind = None if behind is None else scenery(behind, depth)
        target = start + (end - start) * way(curve, len(depth)).to(depth.device)
        relief = 1.0 if mode == "move" else relief
        moved, changed = move_object(depth, mask, target, relief, feather, visibility == "occlude", behind)
        return io.NodeOutput(as_image(moved), changed.float())


def scenery(behind: Tensor, depth: Tensor, name: str = "behind") -> Tensor:
    """The depth without the object, (1 or N, H, W, 3), as (N, H, W) beside the clip."""
    from ..inputs import checks

    behind = grey(behind, name).to(depth.device)
    if len(behind) > 1:
        checks.same_frames(**{"depth": depth, name: behind})
    same_size(**{"depth": depth, name: behind})
    return behind.expand_as(depth)


class BlendDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetBlendDepth",
            display_name="Blend Depth",
            category=CATEGORY,
            description="Puts two depth clips together: mixed, or with whichever is nearer or farther at each pixel, "
            "fading over the clip with a curve and limited by a mask.",
            search_aliases=["mix depth", "depth crossfade", "depth composite", "z merge", "combine depth", "depth strength"],
            inputs=[
                io.Image.Input("depth", tooltip="Depth pictures in grey, near is white."),
                io.Image.Input(
                    "other",
                    tooltip="Depth pictures of as many frames and of the same size. Normalize Depth Clip with the same "
                    "fixed near and far makes the greys of two clips mean the same.",
                ),
                io.Combo.Input(
                    "mode", options=list(DEPTH_BLENDS), default=DEPTH_BLENDS[0],
                    tooltip="mix: from one clip to the other. nearest: what is in front is seen, so that two scenes stand "
                    "in one space. farthest: what is behind is seen.",
                ),
                io.Float.Input(
                    "amount", default=0.5, min=0.0, max=1.0, step=0.01,
                    tooltip="How much of the change applies: 0 leaves depth as it is, 1 is the other clip, or all of "
                    "nearest or farthest.",
                ),
                io.Custom("CURVE").Input(
                    "curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="A Curve Editor: from left to right the clip from its first to its last frame, its height "
                    "times the amount is how much of the change applies.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where the change applies: one mask for the whole clip, or one for each frame.",
                ),
            ],
            outputs=[io.Image.Output(display_name="depth", tooltip="The blended depth in grey, from 0 to 1.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, other, mode, amount, curve=None, mask=None) -> io.NodeOutput:
        from ...models.depth.edit import blend
        from ..inputs import checks

        depth = grey(depth)
        other = grey(other, "other").to(depth.device)
        checks.same_frames(depth=depth, other=other)
        same_size(depth=depth, other=other)
        if mask is not None:
            mask = checks.mask(mask, "mask", len(depth), depth.shape[1:]).to(depth.device)
        return io.NodeOutput(as_image(blend(depth, other, amount * over_time(curve, len(depth)), mode, mask)))
