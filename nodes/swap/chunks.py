"""Clips that were generated chunk by chunk, joined into one."""

from comfy_api.latest import io

from ..inputs.video import clip_input
from .colours import read_chunks
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

    @classmethod
    def execute(cls, images, overlap_frames, color_match_strength, total_frames) -> io.NodeOutput:
        from ...models.swap.chunks import overlap_warning
        from ...models.swap.colours import match_chunks
        from ..host.notice import show_warning
        from ..host.progress import progress

        strength = color_match_strength[0]
        chunks = read_chunks("Join Chunks", images, overlap_frames[0], single=True)
        frames = read_total(total_frames[0], chunks)
        report = progress(sum(map(len, chunks.clips)) + frames)
        matched = match_chunks(chunks, report=report)
        joined = join(chunks, matched, strength, frames, report)
        lines = [f"{frames} frames of {len(chunks.clips)} chunks, which begin at {', '.join(map(str, chunks.starts))}."]
        lines += matched.report(strength) if len(chunks.clips) > 1 else []
        show_warning(warning := overlap_warning(chunks), "The chunks fit.")
        return io.NodeOutput(joined, frames, "\n".join([*lines, *filter(None, [warning])]))


def read_total(total: int, chunks) -> int:
    """The number of frames of the joined clip; refuses more than there are."""
    if total > chunks.frames:
        raise ValueError(
            f"total_frames: expected at most the {chunks.frames} frames of the joined chunks, got {total}: generate another "
            "chunk, lower overlap_frames, or set 0."
        )
    return total or chunks.frames


def join(chunks, matched, strength: float, frames: int, report):
    """The joined clip (T, H, W, 3)."""
    import torch

    from ...models.swap.chunks import join_frame

    done = sum(map(len, chunks.clips))
    out = torch.empty(frames, *chunks.clips[0].shape[1:])
    picture = lambda number, place: matched.picture(chunks, number, place, strength)
    for index in range(frames):
        out[index] = join_frame(chunks, index, picture)
        report(done + index + 1)
    return out
