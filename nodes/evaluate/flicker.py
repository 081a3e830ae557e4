"""How well a clip follows its motion."""

from comfy_api.latest import io
from torch import Tensor

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .clips import CATEGORY, counted_mask, counted_pixels, draw_errors, error_gain


class MeasureFlicker(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMeasureFlicker",
            display_name="Measure Flicker",
            category=CATEGORY,
            description="Measures how much a clip flickers: each next frame is warped back along the motion and compared, "
            "where the motion is reliable. Needs no model.",
            search_aliases=[
                "flicker", "flow warp error", "warping error", "temporal consistency", "temporal stability", "video stability",
                "evaluate video", "measure video", "metric",
            ],
            inputs=[
                clip_input("images", tooltip="Frames of the clip to measure, 2 or more."),
                error_gain(),
                clip_input(
                    "motion_images", optional=True,
                    tooltip="Clip whose motion counts in place of the clip's own: for an edit, the clip before it. As many "
                    "frames and the same size.",
                ),
                counted_mask(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="warp_error",
                    tooltip="Mean difference in steps of 8 bits, from 0 to 255. Lower means less flicker.",
                ),
                io.Image.Output(
                    display_name="error_images",
                    tooltip="Where it flickers: one picture for each pair of neighbours, blue where nothing counts.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="The number, the percentage of the pixels that counts, and the pair with the largest error.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, error_gain=4.0, motion_images=None, mask=None) -> io.NodeOutput:
        from ...models.flow.estimate import warp_errors
        from ..host.progress import progress
        from ..inputs import checks

        check_clip_memory("Measure Flicker", images, 8)
        images = checks.rgb(images)
        checks.several_frames(images, "Measure Flicker")
        motion = images if motion_images is None else checks.rgb(motion_images, "motion_images")
        checks.same_frames(images=images, motion_images=motion)
        checks.same_size(images=images, motion_images=motion)
        here = counted_pixels(mask, images)[:-1]
        errors, reliable = warp_errors(images, motion, progress(len(images) - 1))
        score, report = flicker_report(errors, reliable & here, here)
        pictures, _ = draw_errors(errors.__getitem__, reliable & here, error_gain)
        return io.NodeOutput(score, pictures, report)


def flicker_report(errors: Tensor, counted: Tensor, here: Tensor) -> tuple[float, str]:
    """The mean error in steps of 8 bits and its sentence, from errors and masks (P, H, W) of P pairs of frames."""
    from ...models.evaluate.metrics import mean_where

    if not counted.any():
        raise ValueError(
            "Measure Flicker expected pixels with reliable motion, but found none: the frames have nothing in common, or "
            "the mask leaves nothing of them; try a larger mask or frames that follow each other."
        )
    score = 255 * mean_where(errors, counted)
    pairs = [
        255 * mean_where(error, where) if where.any() else 0.0 for error, where in zip(errors, counted, strict=True)
    ]
    worst = max(range(len(pairs)), key=pairs.__getitem__)
    share = 100 * counted.sum().item() / max(here.sum().item(), 1)
    return score, (
        f"Warp error {score:.2f} of 255 on {share:.1f} % of the pixels over {len(pairs)} pairs of frames; "
        f"the largest error is from frame {worst} to {worst + 1} with {pairs[worst]:.2f}."
    )
