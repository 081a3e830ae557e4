"""How well a clip follows its motion."""

from comfy_api.latest import io
from torch import Tensor

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .clips import CATEGORY, counted_mask, counted_pixels, draw_errors, error_gain

SOFT = 0.95  # share of the original's sharpness below which the report says that a clip is softer


class MeasureFlicker(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMeasureFlicker",
            display_name="Measure Flicker",
            category=CATEGORY,
            description="Measures how much a clip flickers: each next frame is warped back along the motion and compared, "
            "where the motion is reliable. With the original, how much an edit adds to the original's own. Needs no model.",
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
                clip_input(
                    "original_images", optional=True,
                    tooltip="The clip before the edit: added_error then leaves out what flickers in it too, and sharpness "
                    "compares with it. Its motion counts where motion_images is not connected. As many frames and the same "
                    "size.",
                ),
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
                    tooltip="The number, the percentage of the pixels that counts, and the pair with the largest error; with "
                    "original_images also its own error and the comparison with it.",
                ),
                io.Float.Output(
                    display_name="added_error",
                    tooltip="The warp_error that the original does not have: 0 for the original itself, from 0 to 255. "
                    "Without original_images the same as warp_error.",
                ),
                io.Float.Output(
                    display_name="sharpness",
                    tooltip="Steps between neighbouring pixels in proportion to the original: 1 is as sharp, below 1 softer. "
                    "A soft clip has a small warp_error. Without original_images it is 1.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, error_gain=4.0, motion_images=None, mask=None, original_images=None) -> io.NodeOutput:
        from ...models.evaluate.flicker import measure_flicker
        from ..host.progress import progress

        check_clip_memory("Measure Flicker", images, 8 if original_images is None else 12)
        images, motion, original = checked_clips(images, motion_images, original_images)
        here = counted_pixels(mask, images)
        flicker = measure_flicker(images, motion, original, progress(len(images) - 1))
        counted = flicker.trusted & here[:-1]
        score, report = flicker_report(flicker.error, counted, here[:-1])
        added, sharpness, comparison = compared(flicker, score, counted, images, original, here)
        pictures, _ = draw_errors(flicker.error.__getitem__, counted, error_gain)
        return io.NodeOutput(score, pictures, report + comparison, added, sharpness)


def checked_clips(images, motion_images, original_images) -> tuple[Tensor, Tensor, Tensor | None]:
    """The clip, that whose motion counts and the original, (F, H, W, 3) of one length and size."""
    from ..inputs import checks

    clips = {"images": checks.rgb(images)}
    checks.several_frames(clips["images"], "Measure Flicker")
    for name, clip in (("motion_images", motion_images), ("original_images", original_images)):
        if clip is not None:
            clips[name] = checks.rgb(clip, name)
    checks.same_frames(**clips)
    checks.same_size(**clips)
    original = clips.get("original_images")
    motion = clips.get("motion_images", clips["images"] if original is None else original)
    return clips["images"], motion, original


def compared(flicker, score: float, counted: Tensor, images: Tensor, original: Tensor | None, here: Tensor):
    """The added error in steps of 8 bits, the sharpness and both as sentences; without an original there are none."""
    from ...models.evaluate.flicker import sharpness_ratio
    from ...models.evaluate.metrics import mean_where

    if original is None:
        return score, 1.0, ""
    own, added = (255 * mean_where(error, counted) for error in (flicker.original_error, flicker.added_error))
    sharpness = sharpness_ratio(images, original.to(images.device), here)
    text = f" The original has {own:.2f}; the clip adds {added:.2f} to it, at {100 * sharpness:.0f} % of its sharpness."
    return added, sharpness, text + (" It is softer, which lowers the warp error." if sharpness < SOFT else "")


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
