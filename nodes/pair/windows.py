"""Windows for clips longer than a video model knows."""

from comfy_api.latest import io

from ..host.choices import CONTEXT_SCHEDULES, FUSE_METHODS

CATEGORY = "Duet/sampling"


class PairedContextWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetPairedContextWindows",
            display_name="Paired Context Windows",
            category=CATEGORY,
            description="Samples a clip of any length in overlapping windows of the length that the model knows, and "
            "keeps each video frame with its own depth and its own ControlNet hint. Use it in place of Context "
            "Windows (Manual), which would mix up video and depth.",
            search_aliases=["context windows", "long video", "sliding window", "FreeNoise", "context options"],
            inputs=[
                io.Model.Input("model", tooltip="The model that samples in windows; any model of clips or pictures."),
                io.Int.Input(
                    "context_length", default=16, min=1, max=1024, step=1,
                    tooltip="Frames in a window. AnimateDiff modules want 16; shorter clips are sampled in one piece.",
                ),
                io.Int.Input(
                    "context_overlap", default=4, min=0, max=1023, step=1,
                    tooltip="Frames that neighbouring windows share. More gives smoother joints and takes longer.",
                ),
                io.Combo.Input(
                    "context_schedule", options=CONTEXT_SCHEDULES, default=CONTEXT_SCHEDULES[0],
                    tooltip="standard_static cuts alike in every step; standard_uniform moves the cuts from step to "
                    "step, which hides them; looped_uniform also runs over the end, for loops; batched never overlaps.",
                ),
                io.Combo.Input(
                    "fuse_method", options=FUSE_METHODS, default="pyramid",
                    tooltip="How overlapping windows are mixed: pyramid and relative trust the middle of a window "
                    "most, flat trusts all alike, overlap-linear cross-fades in the overlap only.",
                ),
                io.Int.Input(
                    "context_stride", default=1, min=1, max=16, step=1,
                    tooltip="Adds windows that skip frames, so far frames see each other; for the uniform schedules.",
                ),
                io.Boolean.Input(
                    "closed_loop", default=False,
                    tooltip="On: the last window joins the first, for clips that play in a loop; looped_uniform only.",
                ),
                io.Boolean.Input(
                    "freenoise", default=False,
                    tooltip="On: windows start from the same noise in another order (FreeNoise), so a long clip "
                    "keeps its look.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model, sampling in windows.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, context_length, context_overlap, context_schedule, fuse_method, context_stride, closed_loop,
        freenoise,
    ) -> io.NodeOutput:  # fmt: skip
        from ..host.pair.context import use_windows

        return io.NodeOutput(use_windows(
            model, length=context_length, overlap=context_overlap, schedule=context_schedule, fuse=fuse_method,
            stride=context_stride, closed=closed_loop, freenoise=freenoise,
        ))  # fmt: skip
