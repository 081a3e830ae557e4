"""How good a clip is, as numbers, pictures and one sentence each."""

import torch
from comfy_api.latest import io
from torch import Tensor

CATEGORY = "Duet/evaluate"
ALIGNMENTS = ("none", "scale and shift")


def compared(made: Tensor, reference: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Two clips (N, H, W, 3) of one length and size, and the pixels that count as bool (N, H, W)."""
    from . import checks

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
    from . import checks

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


class FlowWarpError(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowWarpError",
            display_name="Flow-Warp Error",
            category=CATEGORY,
            description="How much a clip flickers: each next frame is fetched back along the motion and compared, "
            "where the motion can be trusted. Needs no model.",
            search_aliases=["flicker", "warping error", "temporal consistency", "optical flow", "evaluate video"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip, 2 or more."),
                io.Image.Input(
                    "motion_of", optional=True,
                    tooltip="A clip whose motion counts in place of the clip's own: the source of an edit that should "
                    "move like it. Same frames and size.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where pixels count: one mask, or one for each frame.",
                ),
                brightness(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="error",
                    tooltip="The mean difference in steps of 8 bits, 0 to 255. Lower is steadier.",
                ),
                io.Image.Output(
                    display_name="error_images",
                    tooltip="Where it is: one picture for each pair of neighbours, blue where nothing was counted.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="The number, the share of pixels that it counts, and the worst pair of frames.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, motion_of=None, mask=None, brightness=4.0) -> io.NodeOutput:
        from ..models.flow_estimate import warp_errors
        from ..models.metrics import draw_error
        from . import checks
        from .host.progress import progress

        images = checks.rgb(images)
        checks.neighbours(images, "Flow-Warp Error")
        motion = images if motion_of is None else checks.rgb(motion_of, "motion_of")
        checks.same_frames(images=images, motion_of=motion)
        same_size(images=images, motion_of=motion)
        here = chosen(mask, images)[:-1]
        errors, trusted = warp_errors(images, motion, progress(len(images) - 1))
        score, report = warp_report(errors, trusted & here, here)
        return io.NodeOutput(score, draw_error(errors, trusted & here, brightness), report)


def warp_report(errors: Tensor, counted: Tensor, here: Tensor) -> tuple[float, str]:
    """The mean error in steps of 8 bits and what it rests on, from errors and masks (P, H, W) of P pairs of frames."""
    from ..models.metrics import mean_where

    if not counted.any():
        raise ValueError(
            "Flow-Warp Error found no pixel whose motion it can trust: the frames have nothing in common, "
            "or the mask leaves nothing of them; try a larger mask or frames that follow each other."
        )
    score = 255 * mean_where(errors, counted)
    pairs = [
        255 * mean_where(error, where) if where.any() else 0.0 for error, where in zip(errors, counted, strict=True)
    ]
    worst = max(range(len(pairs)), key=pairs.__getitem__)
    share = 100 * counted.sum().item() / max(here.sum().item(), 1)
    return score, (
        f"Flow-warp error {score:.2f} of 255 on {share:.1f} % of the pixels over {len(pairs)} pairs of frames; "
        f"worst from frame {worst} to {worst + 1} with {pairs[worst]:.2f}."
    )


class DepthAgreement(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDepthAgreement",
            display_name="Depth Agreement",
            category=CATEGORY,
            description="How far the depth of a made clip is from the depth that it should have, both as grey pictures "
            "with one range for the clip.",
            search_aliases=["depth error", "depth L2", "RMSE", "evaluate depth", "metric"],
            inputs=[
                io.Image.Input("made", tooltip="The depth to judge, grey from 0 to 1."),
                io.Image.Input("reference", tooltip="The depth as it should be, with the same frames and size."),
                io.Combo.Input(
                    "align", options=list(ALIGNMENTS), default=ALIGNMENTS[0],
                    tooltip="none compares the greys as they are. scale and shift first fits one scale and one shift "
                    "for the whole clip: for depth of an estimator that knows no units.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where pixels count, for example the figure: one mask, or one for each frame.",
                ),
                brightness(),
            ],
            outputs=[
                io.Float.Output(display_name="l2", tooltip="The mean of the squared differences of greys, 0 to 1."),
                io.Float.Output(
                    display_name="rmse", tooltip="The root of l2: the typical difference, larger ones count more."
                ),
                io.Float.Output(display_name="mae", tooltip="The mean difference."),
                io.String.Output(display_name="report", tooltip="The numbers, and what scale and shift were fitted."),
                io.Image.Output(
                    display_name="error_images",
                    tooltip="Where they differ: one picture a frame, blue where nothing was counted.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, made, reference, align, mask=None, brightness=4.0) -> io.NodeOutput:
        from ..models.metrics import draw_error, fit, mean_where
        from . import checks

        made, reference, here = compared(made, reference, mask)
        made, reference = checks.depth(made, "made"), checks.depth(reference, "reference")
        scale, shift = fit(made, reference, here) if align == ALIGNMENTS[1] else (1.0, 0.0)
        error = (scale * made + shift - reference).abs()
        l2, mae = mean_where(error.square(), here), mean_where(error, here)
        report = (
            f"Depth L2 {l2:.6f}, root {l2**0.5:.4f}, mean {mae:.4f} on {100 * here.float().mean():.1f} % of the pixels."
        )
        if align == ALIGNMENTS[1]:
            report += f" Fitted: reference = {scale:.4g} x made {shift:+.4g}."
        if scale < 0:
            report += " Near and far are swapped in one of the clips."
        return io.NodeOutput(l2, l2**0.5, mae, report, draw_error(error, here, brightness))


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
        from ..models.metrics import draw_error, mean_where, psnr

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


NODES = [FlowWarpError, DepthAgreement, CompareClips]
