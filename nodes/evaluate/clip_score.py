"""What CLIP says of a clip: how alike its frames are, and how well they fit a sentence."""

from comfy_api.latest import io
from torch import Tensor

CATEGORY = "Duet/evaluate"


def clip_folder() -> io.String.Input:
    return io.String.Input(
        "clip_folder", optional=True, default="",
        tooltip="Instead of a loaded model: a folder with CLIP as transformers saves it, by its full path or by its "
        "name in models/clip_vision. Nothing is downloaded. While it is empty the connected model is used.",
    )  # fmt: skip


class FrameConsistency(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFrameConsistency",
            display_name="Frame Consistency",
            category=CATEGORY,
            description="How much alike the frames of a clip are to CLIP, as papers on video editing report it: 100 "
            "times the mean cosine of all pairs of frames. A still picture has 100.",
            search_aliases=["CLIP score", "temporal consistency", "frame similarity", "evaluate video", "metric"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip, 2 or more."),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14, which the papers use. Numbers of another model do not compare with theirs.",
                ),
                clip_folder(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="consistency", tooltip="100 times the mean cosine of all pairs of frames."
                ),
                io.String.Output(display_name="report", tooltip="The number, and which two frames are least alike."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, clip_vision=None, clip_folder="") -> io.NodeOutput:
        from ...models.evaluate.metrics import frame_consistency
        from ..inputs import checks

        images = checks.rgb(images)
        checks.neighbours(images, "Frame Consistency")
        score, alike = frame_consistency(seen(images, clip_vision, clip_folder.strip()))
        frames = len(images)
        a, b = divmod(int(alike.argmin()), frames)
        report = (
            f"Frame consistency {score:.2f} of 100 over {frames * (frames - 1) // 2} pairs of {frames} frames; "
            f"neighbours {alike.diagonal(1).mean():.2f}, least alike frames {a} and {b} with {alike[a, b]:.2f}."
        )
        return io.NodeOutput(score, report)


class TextAlignment(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTextAlignment",
            display_name="Text Alignment",
            category=CATEGORY,
            description="How well the frames of a clip fit a sentence, as papers on video editing report it: 100 times "
            "the cosine of CLIP's vector of each frame and of the sentence, the mean of all frames.",
            search_aliases=["CLIP score", "prompt alignment", "textual alignment", "evaluate video", "metric"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip, or one picture."),
                io.String.Input(
                    "text", multiline=True, default="",
                    tooltip="What the clip should show. CLIP reads about the first 75 words and commas; weights such "
                    "as (word:1.2) are read as they stand.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14, which the papers use. It has to be of the same CLIP as the text encoder.",
                ),
                io.Clip.Input(
                    "clip", optional=True,
                    tooltip="The text encoder of the same CLIP with its text_projection: the file of the whole CLIP "
                    "ViT-L/14 in Load CLIP. The text encoder inside a Stable Diffusion checkpoint lacks it.",
                ),
                clip_folder(),
            ],
            outputs=[
                io.Float.Output(display_name="alignment", tooltip="100 times the mean cosine of frames and sentence."),
                io.String.Output(display_name="report", tooltip="The number, and the frames that fit best and worst."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, text, clip_vision=None, clip=None, clip_folder="") -> io.NodeOutput:
        from ...models.evaluate.metrics import cosines
        from ..inputs import checks

        images = checks.rgb(images)
        if not text.strip():
            raise ValueError("text: expected a sentence to compare the clip with, got none: write what it should show.")
        pictures, words = seen_and_read(images, text, clip_vision, clip, clip_folder.strip())
        fits = 100 * cosines(pictures, words)[:, 0]
        score = fits.mean().item()
        report = (
            f"Text alignment {score:.2f} over {len(fits)} frames; best frame {int(fits.argmax())} with "
            f"{fits.max():.2f}, worst frame {int(fits.argmin())} with {fits.min():.2f}."
        )
        return io.NodeOutput(score, report)


def seen(images: Tensor, clip_vision, folder: str) -> Tensor:
    """(N, d) vectors of pictures by a folder's CLIP or the host's."""
    from ..host.evaluate.clip import picture_vectors
    from ..host.evaluate.clip_folder import ClipFolder

    if folder:
        return ClipFolder(folder).pictures(images)
    if clip_vision is None:
        raise ValueError(
            "Frame Consistency needs CLIP: connect clip_vision from Load CLIP Vision, or name a local clip_folder."
        )
    return picture_vectors(clip_vision, images)


def seen_and_read(images: Tensor, text: str, clip_vision, clip, folder: str) -> tuple[Tensor, Tensor]:
    """(N, d) vectors of pictures and (1, d) of a sentence by one CLIP, a folder's or the host's two halves."""
    from ..host.evaluate.clip import picture_vectors, text_vector
    from ..host.evaluate.clip_folder import ClipFolder

    if folder:
        both = ClipFolder(folder)
        return both.pictures(images), both.words(text)
    if clip_vision is None or clip is None:
        raise ValueError(
            "Text Alignment needs both halves of CLIP: connect clip_vision from Load CLIP Vision and clip from Load "
            "CLIP, or name a local clip_folder."
        )
    words, pictures = text_vector(clip, text), picture_vectors(clip_vision, images)
    if pictures.shape[1] != words.shape[1]:
        raise ValueError(
            f"Expected pictures and words by the same CLIP, but clip_vision answers {pictures.shape[1]} numbers and "
            f"clip {words.shape[1]}: load both halves of one CLIP, for example ViT-L/14 with 768."
        )
    return pictures, words
