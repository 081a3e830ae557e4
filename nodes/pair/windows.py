"""Windows for clips longer than a model was trained on."""

from comfy_api.latest import io

from ..host.choices import CONTEXT_SCHEDULES, FUSE_METHODS


class SetPairWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSetPairWindows",
            display_name="Context Windows (Video and Depth)",
            category="Duet/video and depth",
            description="Makes a model sample a clip of any length in overlapping windows, each with the same frames of "
            "the video, of its depth and of its ControlNet pictures. Use it in place of ComfyUI's Context Windows.",
            search_aliases=[
                "context windows", "long video", "long clip", "sliding window", "FreeNoise", "context options",
                "paired context windows",
            ],
            inputs=[
                io.Model.Input(
                    "model", tooltip="A model of video and depth, such as a pair on Wan 2.2, or any other model of clips from a "
                    "loader of Duet."
                ),
                io.Int.Input(
                    "context_length", default=16, min=1, max=1024, step=1,
                    tooltip="Length of a window in frames, best the length that the model was trained on. A clip that is "
                    "no longer is sampled in one piece. For a pair on Wan 2.2, use 4 k + 1 frames, such as 33; other numbers "
                    "are lowered to the next one.",
                ),
                io.Int.Input(
                    "context_overlap", default=4, min=0, max=1023, step=1,
                    tooltip="Frames that neighbouring windows share. Raise it when a jump shows between windows; sampling "
                    "then takes longer. For a pair on Wan 2.2, use a multiple of 4.",
                ),
                io.Combo.Input(
                    "context_schedule", options=CONTEXT_SCHEDULES, default=CONTEXT_SCHEDULES[0], advanced=True,
                    tooltip="Where the windows lie. standard_static: in the same place in every step; standard_uniform: "
                    "moved from step to step, which hides the joints; looped_uniform: also across the end of the clip; "
                    "batched: without overlap.",
                ),
                io.Combo.Input(
                    "fuse_method", options=FUSE_METHODS, default="pyramid", advanced=True,
                    tooltip="How overlapping windows are mixed. pyramid and relative give the middle of a window the most "
                    "weight, flat gives all frames the same, overlap-linear cross-fades in the overlap only.",
                ),
                io.Int.Input(
                    "context_stride", default=1, min=1, max=16, step=1, advanced=True,
                    tooltip="Above 1 adds windows that skip frames, so that distant frames stay alike. Works with the "
                    "uniform schedules.",
                ),
                io.Boolean.Input(
                    "closed_loop", default=False, advanced=True,
                    tooltip="The last window continues in the first, for a clip that plays in a loop. Works with "
                    "looped_uniform.",
                ),
                io.Boolean.Input(
                    "freenoise", default=False, advanced=True,
                    tooltip="All windows begin with the same noise in another order (FreeNoise). Switch it on when the look "
                    "drifts over a long clip.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The model with windows, for KSampler (Auto Settings) or KSampler."
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, context_length, context_overlap, context_schedule, fuse_method, context_stride, closed_loop,
        freenoise,
    ) -> io.NodeOutput:  # fmt: skip
        from ..host.pair.windows import use_windows

        return io.NodeOutput(use_windows(
            model, length=context_length, overlap=context_overlap, schedule=context_schedule, fuse=fuse_method,
            stride=context_stride, closed=closed_loop, freenoise=freenoise,
        ))  # fmt: skip
