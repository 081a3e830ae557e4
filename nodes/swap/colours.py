"""The colours of a generated clip, matched to the original around the person and from chunk to chunk."""

from comfy_api.latest import io

from ..inputs.video import clip_input
from .reference import CATEGORY


class MatchColors(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMatchColors",
            display_name="Match Colors of Clip",
            category=CATEGORY,
            description="Gives generated clips the colors of the original: brightness and contrast of each color, frame by frame, "
            "from where both show the scene. Chunks without an original get the colors of the chunk in front of them.",
            search_aliases=[
                "color match", "colour match", "color drift", "color shift", "color correction", "color transfer", "grade", "chunk colors", "Wan Animate",
                "brightness jump", "gain offset", "seam",
            ],
            is_input_list=True,
            inputs=[
                clip_input("images", tooltip="The generated clip, or a list of chunks in their order."),
                io.Int.Input(
                    "overlap_frames", default=5, min=0, max=256, step=1,
                    tooltip="Frames that two chunks share: the last ones of a chunk are the first ones of the next. Has no effect on a "
                    "single clip.",
                ),
                io.Float.Input(
                    "strength", default=1.0, min=0.0, max=1.0, step=0.01,
                    tooltip="How much of the difference in color is taken out. 0 changes nothing, 1 takes out all of it.",
                ),
                io.Int.Input(
                    "smoothing_frames", default=9, min=1, max=1001, step=2, advanced=True,
                    tooltip="Frames over which the correction is averaged. Raise it if the brightness trembles, lower it where the light of "
                    "the original changes quickly.",
                ),
                clip_input(
                    "reference_images", optional=True,
                    tooltip="The original clip, or its scene without the person: one frame, or one for each frame of the joined chunks.",
                ),
                io.Mask.Input(
                    "subject_mask", optional=True,
                    tooltip="White where the person is, in the original or the generated clip. Only the rest is compared with "
                    "reference_images.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", is_output_list=True, tooltip="The clips in matched colors, with the same numbers of frames."
                ),
                io.String.Output(
                    display_name="report", tooltip="The correction of each chunk, and how far its colors were off before and after."
                ),
            ],
        )  # fmt: skip
