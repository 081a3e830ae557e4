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

    @classmethod
    def execute(
        cls, images, overlap_frames, strength, smoothing_frames, reference_images=None, subject_mask=None
    ) -> io.NodeOutput:
        from ...models.swap.chunks import overlap_warning
        from ...models.swap.colours import match_chunks
        from ..host.notice import show_warning
        from ..host.progress import progress

        strength, window = strength[0], smoothing_frames[0]
        chunks = read_chunks("Match Colors of Clip", images, overlap_frames[0])
        original, subject = read_original(reference_images, chunks), read_subject(subject_mask, chunks)
        total = sum(map(len, chunks.clips))
        report = progress(2 * total)
        matched = match_chunks(chunks, original, subject, window, report)
        out = corrected_clips(chunks, matched, strength, lambda done: report(total + done))
        show_warning(warning := overlap_warning(chunks), "The chunks fit.")
        return io.NodeOutput(out, "\n".join([*matched.report(strength), *filter(None, [warning])]))


def read_chunks(node: str, images: list, overlap: int, single: bool = False):
    """The chunks of a list of clips, once there is room for the result."""
    from ...models.swap.chunks import make_chunks
    from ..inputs import clips
    from ..inputs.memory import check_frames_memory

    pictures = [clips.pictures(clip) for clip in images]
    chunks = make_chunks(pictures, overlap)
    frames = chunks.frames if single else sum(map(len, pictures))
    check_frames_memory(node, frames, tuple(pictures[0].shape[1:3]), 3)
    return chunks


def read_original(images: list | None, chunks):
    """A function that gives the original's picture for one of a chunk, or None."""
    from ...models.swap.chunks import along_chunks
    from ..inputs import clips

    if images is None:
        return None
    batches = [clips.pictures(batch, "reference_images") for batch in images]
    for batch in batches:
        clips.same_size("reference_images", batch, tuple(chunks.clips[0].shape[1:3]), len(batch), like="images")
    return along_chunks(batches, chunks, "reference_images")


def read_subject(masks: list | None, chunks):
    """A function that gives the mask for a picture of a chunk, or None."""
    from ...models.swap.chunks import along_chunks
    from ..inputs import clips

    if masks is None:
        return None
    return along_chunks([clips.masks(batch, "subject_mask") for batch in masks], chunks, "subject_mask")


def corrected_clips(chunks, matched, strength: float, report) -> list:
    """The chunks (n, H, W, 3) in matched colours."""
    import torch

    out, done = [], 0
    for number, clip in enumerate(chunks.clips):
        out.append(torch.empty_like(clip))
        for place in range(len(clip)):
            out[-1][place] = matched.picture(chunks, number, place, strength)
            report(done := done + 1)
    return out
