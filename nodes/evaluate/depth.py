"""How far the depth of a clip is from what it should be."""

from comfy_api.latest import io

from .clips import CATEGORY, brightness, compared

ALIGNMENTS = ("none", "scale and shift")


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
        from ...models.depth.match import fit
        from ...models.evaluate.metrics import draw_error, mean_where
        from ..inputs import checks

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
