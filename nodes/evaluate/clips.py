"""How far a clip is from another, and what all comparisons ask of their inputs."""

import torch
from comfy_api.latest import io
from torch import Tensor

CATEGORY = "Duet/evaluate"


def compared(made: Tensor, reference: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Two clips (N, H, W, 3) of one length and size, and the pixels that count as bool (N, H, W)."""
    from ..inputs import checks

    made, reference = checks.rgb(made, "made"), checks.rgb(reference, "reference")
    checks.same_frames(made=made, reference=reference)
    same_size(made=made, reference=reference)
    return made, reference.to(made.device), chosen(mask, made)


def same_size(**clips: Tensor) -> None:
    """Refuses clips (N, H, W, 3) of different width or height."""
    sizes = {name: f"{clip.shape[2]} x {clip.shape[1]}" for name, clip in clips.items()}
    if len(set(sizes.values())) > 1:
        came = ", ".join(f"{name} is {size}" for name, size in sizes.items())
        raise ValueError(f"Expected clips of one size, but {came}: put Upscale Image behind one of them.")


def chosen(mask: Tensor | None, clip: Tensor) -> Tensor:
    """The pixels of a clip (N, H, W, 3) that a mask lets count, bool (N, H, W); without a mask all do."""
    from ..inputs import checks

    if mask is None:
        return torch.ones(clip.shape[:3], dtype=torch.bool, device=clip.device)
    here = checks.mask(mask, "mask", len(clip), tuple(clip.shape[1:3])).to(clip.device) > 0.5
    if not here.any():
        raise ValueError("mask: expected white where pixels count, got none above half: paint it, or invert it.")
    return here


def brightness() -> io.Float.Input:
    return io.Float.Input(
        "brightness", default=4.0, min=0.1, max=100.0, step=0.1,
        tooltip="How bright the picture of the errors is drawn. The numbers stay the same.",
    )  # fmt: skip


class CompareClips(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCompareClips",
            display_name="Compare Clips",
            category=CATEGORY,
            description="How far a clip is from the clip that it should be, pixel by pixel: as decibels, as a mean "
            "difference and as pictures.",
            search_aliases=["PSNR", "image difference", "A/B", "evaluate video", "metric", "reconstruction error"],
            inputs=[
                io.Image.Input("made", tooltip="The clip to judge."),
                io.Image.Input("reference", tooltip="The clip as it should be, with the same frames and size."),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where pixels count: one mask, or one for each frame.",
                ),
                brightness(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="psnr",
                    tooltip="Decibels, higher is closer: 20 is rough, 30 good, 40 hard to tell apart. 100 means equal.",
                ),
                io.Float.Output(
                    display_name="error", tooltip="The mean difference in steps of 8 bits, 0 to 255. Lower is closer.",
                ),
                io.Image.Output(
                    display_name="difference",
                    tooltip="Where they differ: one picture a frame, blue where nothing was counted.",
                ),
                io.String.Output(display_name="report", tooltip="The numbers, and the frame that is farthest off."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, made, reference, mask=None, brightness=4.0) -> io.NodeOutput:
        from ...models.evaluate.metrics import draw_error, mean_where, psnr

        made, reference, here = compared(made, reference, mask)
        error = (made - reference).abs()
        decibels, mean = psnr(made[here], reference[here]), 255 * mean_where(error, here)
        frames = {i: psnr(made[i][here[i]], reference[i][here[i]]) for i in range(len(made)) if here[i].any()}
        worst = min(frames, key=frames.__getitem__)
        report = (
            f"PSNR {decibels:.2f} dB, mean difference {mean:.2f} of 255 on {100 * here.float().mean():.1f} % of the "
            f"pixels; farthest off is frame {worst} with {frames[worst]:.2f} dB."
        )
        return io.NodeOutput(decibels, mean, draw_error(error, here, brightness), report)
