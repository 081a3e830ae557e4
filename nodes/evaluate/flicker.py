"""How well a clip follows its motion."""

from comfy_api.latest import io
from torch import Tensor

from .clips import CATEGORY, brightness, chosen, same_size


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
        from ...models.evaluate.metrics import draw_error
        from ...models.flow.estimate import warp_errors
        from ..host.progress import progress
        from ..inputs import checks

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
    from ...models.evaluate.metrics import mean_where

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
