"""Clips that were generated chunk by chunk, joined into one."""

from comfy_api.latest import io

from ..inputs.video import clip_input
from .reference import CATEGORY


class JoinChunks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetJoinChunks",
            display_name="Join Chunks",
            category=CATEGORY,
            description="Joins clips that were generated chunk by chunk into one. Where two chunks overlap, one fades into the other, "
            "and each chunk can get the colors of the one in front of it.",
            search_aliases=[
                "join clips", "concatenate video", "merge chunks", "crossfade", "cross-fade", "blend overlap", "extend video", "stitch clips", "Wan Animate",
                "continue motion", "long video",
            ],
            is_input_list=True,
            inputs=[
                clip_input("images", tooltip="The chunks in their order, as a list."),
                io.Int.Input(
                    "overlap_frames", default=5, min=0, max=256, step=1,
                    tooltip="Frames that two chunks share: the last ones of a chunk are the first ones of the next. 0 joins them end to end.",
                ),
                io.Float.Input(
                    "color_match_strength", default=1.0, min=0.0, max=1.0, step=0.01,
                    tooltip="How much each chunk gets the colors of the chunk in front of it, measured where both overlap. 0 leaves the "
                    "colors unchanged.",
                ),
                io.Int.Input(
                    "total_frames", default=0, min=0, max=1000000, step=1, advanced=True,
                    tooltip="Number of frames of the joined clip: what is beyond is cut off, such as repeated last frames. 0 keeps all.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The joined clip."),
                io.Int.Output(display_name="frames", tooltip="Its number of frames."),
                io.String.Output(
                    display_name="report", tooltip="Where the chunks begin, and how far their colors were apart in the overlap."
                ),
            ],
        )  # fmt: skip
