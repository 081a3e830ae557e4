"""Depth of one model or estimator beside the depth of another: brought into its greys, and a mask of what is nearer."""

from comfy_api.latest import io
from torch import Tensor

from ..inputs.depth import by_frames, grey, grey_beside
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .normalize import CATEGORY


class MatchDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMatchDepth",
            display_name="Match Depth",
            category=CATEGORY,
            description="Brings depth into the greys of another depth of the same place, with one scale and one shift for "
            "the whole clip, so that generated depth and estimated depth can be composited.",
            search_aliases=[
                "align depth", "fit depth", "depth alignment", "scale and shift", "depth scale", "match depth range",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures, near is white, in any range."),
                clip_input(
                    "reference_depth",
                    tooltip="Depth of the same place in the wanted greys, near is white: one picture for a still camera, or "
                    "one for each frame. scene_depth of Fill Scene Behind Person fits a generated character.",
                ),
                io.Mask.Input(
                    "static_mask", optional=True,
                    tooltip="White where both depths show the same thing, such as the scene around a person. Without it the "
                    "common part is detected, which must be the larger part of the picture.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in the greys of the reference, from 0 to 1."),
                io.String.Output(display_name="report", tooltip="The scale and the shift, and how well they fit."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, reference_depth, static_mask=None) -> io.NodeOutput:
        from ...models.depth.match import ROUNDS, match
        from ..host.progress import progress

        check_clip_memory("Match Depth", depth, 6)
        depth = grey(depth)
        reference = grey_beside(reference_depth, depth, "reference_depth")
        counted = None if static_mask is None else read_static(static_mask, depth)
        scale, shift, same = match(depth, reference, counted, progress(2 * ROUNDS * len(depth)))
        matched = lambda index: scale * depth[index] + shift
        errors = [(matched(i) - reference[i])[here].abs().sum().item() for i, here in enumerate(same)]
        report = match_report(scale, shift, sum(errors), int(same.sum()), same.numel())
        return io.NodeOutput(by_frames(depth, lambda index: matched(index).clamp(0, 1)), report)


def read_static(mask: Tensor, depth: Tensor) -> Tensor:
    """Where a mask lets depth (N, H, W) count, bool (N, H, W)."""
    from ..inputs import checks

    counted = checks.mask(mask, "static_mask", len(depth), depth.shape[1:]).to(depth.device) > 0.5
    if not counted.any():
        raise ValueError("static_mask: expected white where both show the same thing, got an empty mask: invert it.")
    return counted


def match_report(scale: float, shift: float, error: float, same: int, pixels: int) -> str:
    """The fit as a sentence; the sum of the errors over the pixels that show the same, their number and that of all."""
    text = (
        f"Matched depth = {scale:.4g} x depth {shift:+.4g}. {100 * same / pixels:.1f} % of the pixels show the same "
        f"and differ by {error / max(same, 1):.4f} on average."
    )
    swapped = " Near and far are swapped in one of the clips: turn one of them with invert of Remap Depth."
    return text if scale > 0 else text + swapped


class MaskByDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMaskByDepth",
            display_name="Mask by Depth Difference",
            category=CATEGORY,
            description="Makes a mask of what is nearer than a reference depth of the same place: with the depth of the "
            "empty scene as reference, the mask of a person or an object in it.",
            search_aliases=[
                "depth mask", "depth matte", "depth key", "depth keying", "difference matte", "difference key",
                "mask from depth", "depth to mask", "foreground mask",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures, near is white, in the greys of reference_depth."),
                clip_input(
                    "reference_depth",
                    tooltip="Depth of the same place without what should be masked, near is white: one picture for a still "
                    "camera, or one for each frame. Put Match Depth in front if the greys differ.",
                ),
                io.Float.Input(
                    "depth_threshold", default=0.02, min=0.0, max=1.0, step=0.001,
                    tooltip="Greys by which something must be nearer than the reference. Raise it if the mask has specks, "
                    "lower it if feet are missing.",
                ),
                io.Float.Input(
                    "feather", default=1.5, min=0.0, max=256.0, step=0.5,
                    tooltip="Pixels over which the edge of the mask fades, half of them inside. 0 gives a hard edge.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="White where depth is nearer than the reference.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, reference_depth, depth_threshold, feather) -> io.NodeOutput:
        from ...models.depth.match import nearer_mask
        from ..host.progress import progress

        check_clip_memory("Mask by Depth Difference", depth, 3)
        depth = grey(depth)
        reference = grey_beside(reference_depth, depth, "reference_depth")
        return io.NodeOutput(nearer_mask(depth, reference, depth_threshold, feather, progress(len(depth))))
