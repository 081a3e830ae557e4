"""How far the depth of a clip is from a reference."""

from comfy_api.latest import io

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .clips import CATEGORY, checked_pair, counted_mask, draw_errors, error_gain

ALIGNMENTS = ("none", "scale and shift")


class CompareDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCompareDepth",
            display_name="Compare Depth",
            category=CATEGORY,
            description="Measures how far a depth clip is from a reference depth clip, both in grey with one range for the "
            "whole clip: as MSE, RMSE and MAE and as pictures of the error.",
            search_aliases=[
                "depth error", "depth agreement", "depth accuracy", "depth difference", "depth L2", "RMSE", "MAE",
                "evaluate depth", "measure depth", "metric",
            ],
            inputs=[
                clip_input("depth", tooltip="Grey depth pictures to measure, from 0 to 1."),
                clip_input(
                    "reference_depth", tooltip="The correct depth: as many frames and the same size, in grey from 0 to 1."
                ),
                io.Combo.Input(
                    "alignment", options=list(ALIGNMENTS), default=ALIGNMENTS[0],
                    tooltip="Fit before the comparison. none: the greys are compared without a change. scale and shift: one "
                    "scale and one shift for the whole clip are fitted first; take it for estimated depth without units.",
                ),
                error_gain(),
                counted_mask(", for example on the person"),
            ],
            outputs=[
                io.Float.Output(display_name="mse", tooltip="Mean of the squared differences of greys, from 0 to 1."),
                io.Float.Output(
                    display_name="rmse", tooltip="Root of mse: the typical difference, in which large ones count more."
                ),
                io.Float.Output(display_name="mae", tooltip="Mean difference of greys, from 0 to 1."),
                io.String.Output(display_name="report", tooltip="The numbers, and the fitted scale and shift."),
                io.Image.Output(
                    display_name="error_images",
                    tooltip="Where the depths differ: one picture for each frame, blue where nothing counts.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, reference_depth, alignment, error_gain=4.0, mask=None) -> io.NodeOutput:
        from ...models.depth.match import fit

        check_clip_memory("Compare Depth", depth, 5.5)
        depth, reference, here = checked_pair("depth", depth, reference_depth, mask)
        fitted = alignment == ALIGNMENTS[1]
        scale, shift = fit(depth, reference, here) if fitted else (1.0, 0.0)
        error = lambda index: (scale * depth[index] + shift - reference[index]).abs()
        pictures, sums = draw_errors(error, here, error_gain)
        l2, mae, report = depth_report(sums, here.numel())
        report += f" Fitted: reference_depth = {scale:.4g} x depth {shift:+.4g}." if fitted else ""
        report += " Near and far are swapped in one of the clips." if scale < 0 else ""
        return io.NodeOutput(l2, l2**0.5, mae, report, pictures)


def depth_report(sums: list[tuple[int, float, float]], pixels: int) -> tuple[float, float, str]:
    """Mean square, mean error and both as a sentence, from the error_sums() of each frame."""
    count, error, square = map(sum, zip(*sums, strict=True))
    l2, mae = square / count, error / count
    share = 100 * count / pixels
    return l2, mae, f"Depth L2 {l2:.6f}, RMSE {l2**0.5:.4f}, MAE {mae:.4f} on {share:.1f} % of the pixels."
