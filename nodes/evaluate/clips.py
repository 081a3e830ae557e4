"""How far a clip is from another, and the inputs that all comparisons share."""

from collections.abc import Callable

import torch
from comfy_api.latest import io
from torch import Tensor

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/measure"


def checked_pair(name: str, images: Tensor, reference: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Two clips (N, H, W, 3), or depth (N, H, W), of one length and size, and the pixels that count as bool (N, H, W)."""
    from ..inputs import checks
    from ..inputs.depth import grey

    read = grey if name == "depth" else checks.rgb
    images, reference = read(images, name), read(reference, f"reference_{name}")
    clips = {name: images, f"reference_{name}": reference}
    checks.same_frames(**clips)
    checks.same_size(**clips)
    return images, reference.to(images.device), counted_pixels(mask, images)


def counted_pixels(mask: Tensor | None, images: Tensor) -> Tensor:
    """The pixels of a clip (N, H, W, ...) that a mask lets count, bool (N, H, W); without a mask all do."""
    from ..inputs import checks

    if mask is None:
        return torch.ones(images.shape[:3], dtype=torch.bool, device=images.device)
    counted = checks.mask(mask, "mask", len(images), tuple(images.shape[1:3])).to(images.device) > 0.5
    if not counted.any():
        raise ValueError("mask: expected white where pixels count, got none above half: paint it, or invert it.")
    return counted


def counted_mask(example: str = "") -> io.Mask.Input:
    return io.Mask.Input(
        "mask", optional=True,
        tooltip=f"White where pixels count{example}: one mask for the whole clip, or one for each frame. Without a mask "
        "all count.",
    )  # fmt: skip


def error_gain() -> io.Float.Input:
    return io.Float.Input(
        "error_gain", default=4.0, min=0.1, max=100.0, step=0.1, advanced=True,
        tooltip="Factor for the brightness of error_images. Raise it to show small errors; the numbers stay the same.",
    )  # fmt: skip


class CompareVideos(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCompareVideos",
            display_name="Compare Videos",
            category=CATEGORY,
            description="Measures how far a clip is from a reference clip, pixel by pixel: as PSNR, as mean error and as "
            "pictures of the error.",
            search_aliases=[
                "PSNR", "compare images", "compare clips", "image difference", "video difference", "pixel error", "A/B",
                "evaluate video", "video quality", "metric", "measure", "reconstruction error",
            ],
            inputs=[
                clip_input("images", tooltip="Frames of the clip to measure."),
                clip_input(
                    "reference_images", tooltip="Frames of the correct clip: as many frames and the same size."
                ),
                error_gain(),
                counted_mask(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="psnr",
                    tooltip="Decibels, higher is closer: 20 is rough, 30 good, 40 hard to distinguish. 100 means equal.",
                ),
                io.Float.Output(
                    display_name="mean_error",
                    tooltip="Mean difference in steps of 8 bits, from 0 to 255. Lower is closer.",
                ),
                io.Image.Output(
                    display_name="error_images",
                    tooltip="Where the clips differ: one picture for each frame, blue where nothing counts.",
                ),
                io.String.Output(display_name="report", tooltip="Both numbers, and the frame with the largest error."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, reference_images, error_gain=4.0, mask=None) -> io.NodeOutput:
        check_clip_memory("Compare Videos", images, 3.5, for_one=36)
        images, reference, here = checked_pair("images", images, reference_images, mask)
        error = lambda index: (images[index] - reference[index]).abs()
        pictures, sums = draw_errors(error, here, error_gain)
        psnr, mean, report = videos_report(sums, here.numel())
        return io.NodeOutput(psnr, mean, pictures, report)


def draw_errors(error_of: Callable[[int], Tensor], counted: Tensor, gain: float) -> tuple[Tensor, list[tuple]]:
    """Pictures (N, H, W, 3) of the error (H, W) or (H, W, 3) of each frame, and its error_sums() over counted (N, H, W)."""
    from ...models.evaluate.metrics import draw_error, error_sums
    from ..inputs.depth import by_frames

    sums = []

    def draw(index: int) -> Tensor:
        error = error_of(index)
        sums.append(error_sums(error, counted[index]))
        return draw_error(error[None], counted[index : index + 1], gain)[0]

    return by_frames(counted, draw), sums


def videos_report(sums: list[tuple[int, float, float]], pixels: int) -> tuple[float, float, str]:
    """PSNR, mean error in steps of 8 bits and both as a sentence, from the error_sums() of each frame of 3 colours."""
    from ...models.evaluate.metrics import decibels

    count, error, square = map(sum, zip(*sums, strict=True))
    psnr, mean = decibels(square / count), 255 * error / count
    frames = {index: decibels(square / count) for index, (count, _, square) in enumerate(sums) if count}
    worst = min(frames, key=frames.__getitem__)
    return (
        psnr,
        mean,
        (
            f"PSNR {psnr:.2f} dB, mean error {mean:.2f} of 255 on {100 * count / 3 / pixels:.1f} % of the pixels; "
            f"the largest error is in frame {worst} with {frames[worst]:.2f} dB."
        ),
    )
