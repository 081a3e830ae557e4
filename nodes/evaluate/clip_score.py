"""CLIP's measures of a clip: how similar its frames are, and how well they fit a text."""

from comfy_api.latest import io
from torch import Tensor

from ..inputs.video import clip_input
from .clips import CATEGORY


def clip_folder() -> io.String.Input:
    return io.String.Input(
        "clip_folder", optional=True, default="",
        tooltip="Name of a folder in models/clip_vision or models/text_encoders with CLIP in the form of transformers, used in "
        "place of the connected model. Nothing is downloaded.",
    )  # fmt: skip


class MeasureConsistency(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMeasureConsistency",
            display_name="Measure Frame Consistency",
            category=CATEGORY,
            description="Measures how similar the frames of a clip are to CLIP, the number of papers on video editing: 100 "
            "times the mean cosine of all pairs of frames. A still picture has 100.",
            search_aliases=[
                "CLIP score", "frame consistency", "temporal consistency", "frame similarity", "evaluate video",
                "measure video", "metric",
            ],
            inputs=[
                clip_input("images", tooltip="Frames of the clip to measure, 2 or more."),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14 from Load CLIP Vision, as in the papers. Numbers of another model do not compare "
                    "with theirs.",
                ),
                clip_folder(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="consistency", tooltip="100 times the mean cosine of all pairs of frames."
                ),
                io.String.Output(display_name="report", tooltip="The number, and the two frames that differ most."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, images, clip_vision=None, clip_folder="") -> str:
        return clip_stamp(clip_folder)

    @classmethod
    def execute(cls, images, clip_vision=None, clip_folder="") -> io.NodeOutput:
        from ...models.evaluate.metrics import frame_consistency
        from ..inputs import checks

        images = checks.rgb(images)
        checks.several_frames(images, "Measure Frame Consistency")
        score, alike = frame_consistency(encoded_images(images, clip_vision, clip_folder.strip()))
        frames = len(images)
        a, b = divmod(int(alike.argmin()), frames)
        report = (
            f"Frame consistency {score:.2f} of 100 over {frames * (frames - 1) // 2} pairs of {frames} frames; "
            f"neighbours {alike.diagonal(1).mean():.2f}, most different frames {a} and {b} with {alike[a, b]:.2f}."
        )
        return io.NodeOutput(score, report)


class MeasureTextAlignment(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMeasureTextAlignment",
            display_name="Measure Text Alignment",
            category=CATEGORY,
            description="Measures how well the frames of a clip fit a text, the number of papers on video editing: 100 times "
            "the mean cosine of CLIP's vector of each frame and of the text.",
            search_aliases=[
                "CLIP score", "text alignment", "prompt alignment", "textual alignment", "prompt adherence",
                "evaluate video", "measure video", "metric",
            ],
            inputs=[
                clip_input("images", tooltip="Frames of the clip to measure, or one picture."),
                io.String.Input(
                    "text", multiline=True, default="",
                    tooltip="Text that the clip should show. CLIP reads about the first 75 words and commas; weights such as "
                    "(word:1.2) count as plain text.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14 from Load CLIP Vision, as in the papers: of the same CLIP as the text encoder.",
                ),
                io.Clip.Input(
                    "clip", optional=True,
                    tooltip="Text encoder of the same CLIP with its text_projection: the file of the whole CLIP ViT-L/14 in "
                    "Load CLIP. The text encoder of a Stable Diffusion checkpoint lacks it.",
                ),
                clip_folder(),
            ],
            outputs=[
                io.Float.Output(display_name="alignment", tooltip="100 times the mean cosine of frames and text."),
                io.String.Output(display_name="report", tooltip="The number, and the frames that fit best and worst."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, images, text, clip_vision=None, clip=None, clip_folder="") -> str:
        return clip_stamp(clip_folder)

    @classmethod
    def execute(cls, images, text, clip_vision=None, clip=None, clip_folder="") -> io.NodeOutput:
        from ...models.evaluate.metrics import cosines
        from ..inputs import checks

        images = checks.rgb(images)
        if not text.strip():
            raise ValueError("text: expected a text to compare the clip with, got none: write what it should show.")
        vectors, text_vector = encoded_images_and_text(images, text, clip_vision, clip, clip_folder.strip())
        fits = 100 * cosines(vectors, text_vector)[:, 0]
        score = fits.mean().item()
        report = (
            f"Text alignment {score:.2f} over {len(fits)} frames; best frame {int(fits.argmax())} with "
            f"{fits.max():.2f}, worst frame {int(fits.argmin())} with {fits.min():.2f}."
        )
        return io.NodeOutput(score, report)


def clip_stamp(clip_folder: str | None) -> str:
    """Changes when a file of the folder is replaced; the text itself, a linked one (None) too, is told by the host."""
    from ..host.evaluate.clip_folder import find_folder
    from ..host.files.folders import folder_stamp

    return folder_stamp(find_folder(clip_folder.strip())) if clip_folder and clip_folder.strip() else ""


def encoded_images(images: Tensor, clip_vision, folder: str) -> Tensor:
    """(N, d) vectors of pictures by a folder's CLIP or the host's."""
    from ..host.evaluate.clip import encode_images
    from ..host.evaluate.clip_folder import open_clip_folder

    if folder:
        return open_clip_folder(folder).encode_images(images)
    if clip_vision is None:
        raise ValueError(
            "Measure Frame Consistency needs CLIP, but neither clip_vision nor clip_folder is given: connect clip_vision "
            "from Load CLIP Vision, or name a local clip_folder."
        )
    return encode_images(clip_vision, images)


def encoded_images_and_text(images: Tensor, text: str, clip_vision, clip, folder: str) -> tuple[Tensor, Tensor]:
    """(N, d) vectors of pictures and (1, d) of a text by one CLIP, a folder's or the host's two halves."""
    from ..host.evaluate.clip import encode_images, encode_text
    from ..host.evaluate.clip_folder import open_clip_folder

    if folder:
        model = open_clip_folder(folder)
        return model.encode_images(images), model.encode_text(text)
    if clip_vision is None or clip is None:
        raise ValueError(
            "Measure Text Alignment needs both halves of CLIP: connect clip_vision from Load CLIP Vision and clip from "
            "Load CLIP, or name a local clip_folder."
        )
    text_vector, vectors = encode_text(clip, text), encode_images(clip_vision, images)
    if vectors.shape[1] != text_vector.shape[1]:
        raise ValueError(
            f"Expected pictures and text by the same CLIP, but clip_vision gives {vectors.shape[1]} numbers and clip "
            f"{text_vector.shape[1]}: load both halves of one CLIP, for example ViT-L/14 with 768."
        )
    return vectors, text_vector
