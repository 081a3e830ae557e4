"""Frames as a VIDEO with frame rate, audio and bit depth of the clip that they come from."""

from fractions import Fraction

from comfy_api.latest import Input, Types, io

from ..inputs.memory import check_clip_memory
from ..inputs.video import broken_video, clip_input

CATEGORY = "Duet/video"
BIT_DEPTHS = {"auto": None, "8": 8, "10": 10}


class FramesToVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFramesToVideo",
            display_name="Frames to Video",
            category=CATEGORY,
            description="Makes a video of frames with the exact frame rate, the audio and the bit depth of the video that they "
            "come from, for Save Video. Depth can be put to the right of the frames.",
            search_aliases=[
                "create video", "images to video", "keep audio", "keep fps", "combine video", "23.976", "29.97", "mux audio",
                "export video", "frame rate", "10 bit", "side by side", "video combine",
            ],
            inputs=[
                clip_input("images", tooltip="The frames of the video."),
                io.Video.Input(
                    "original_video", optional=True,
                    tooltip="The video that the frames come from: its frame rate, audio and bit depth are kept. Connect Load "
                    "Video, or Trim Video where the frames come from it.",
                ),
                clip_input(
                    "depth", optional=True,
                    tooltip="Depth pictures to the right of the frames, as many frames. Another size is fitted.",
                ),
                io.Float.Input(
                    "frame_rate", default=24.0, min=0.01, max=1000.0, step=0.001,
                    tooltip="Frames a second where no original_video is connected. 23.976, 29.97 and 59.94 become the exact "
                    "24000/1001, 30000/1001 and 60000/1001.",
                ),
                io.Int.Input(
                    "first_frame", default=0, min=0, max=1000000, step=1,
                    tooltip="Number of the frame of original_video that is the first of images, counted from 0. The audio starts "
                    "there, so that it stays in step.",
                ),
                io.Combo.Input(
                    "bit_depth", options=list(BIT_DEPTHS), default="auto", advanced=True,
                    tooltip="Bits for each colour in a saved file. auto: those of original_video, 8 without one. 10 keeps smooth "
                    "gradients, as of depth; some players cannot show it.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="new_video", tooltip="The video, for Save Video. Its audio is as long as its frames."
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, frame_rate, first_frame, bit_depth, original_video=None, depth=None) -> io.NodeOutput:
        from ..host.notice import show_warning
        from ..inputs import checks
        from .exact import ExactVideo
        from .timing import uneven_warning

        check_clip_memory("Frames to Video", images, 0 if depth is None else 7)
        images = checks.rgb(images)
        images = images if depth is None else with_depth(images, depth)
        rate, audio, bits = exact_rate(frame_rate), None, 8
        if original_video is not None:
            rate, audio, bits = taken_from(original_video, first_frame, len(images))
            show_warning(uneven_warning(original_video), "The frame rate is even.")
        parts = Types.VideoComponents(images=images, audio=audio, frame_rate=rate)
        return io.NodeOutput(ExactVideo(parts, bit_depth=BIT_DEPTHS[bit_depth] or bits))


def with_depth(images, depth):
    """(N, H, 2 W, 3) frames with their depth to the right."""
    import torch

    from ...models.video.compare import fit
    from ..inputs import checks
    from ..inputs.depth import by_frames

    depth = checks.rgb(depth, "depth")
    checks.same_frames(images=images, depth=depth)
    size = tuple(images.shape[1:3])
    like = images[:1, :1, :1, 0].expand(len(images), size[0], 2 * size[1])
    return by_frames(like, lambda index: torch.cat((images[index], fit(depth[index], size).to(images)), 1))


def taken_from(video: Input.Video, first_frame: int, frames: int) -> tuple[Fraction, dict | None, int]:
    """The frame rate of a video, its audio during some frames, and its bit depth."""
    from .audio import audio_of

    with broken_video("original_video"):
        return video.get_frame_rate(), audio_of(video, first_frame, frames), video.get_bit_depth()


def exact_rate(rate: float) -> Fraction:
    """A frame rate as a fraction, those of television exactly: 23.976 is 24000/1001."""
    television = Fraction(1000 * round(rate * 1.001), 1001)
    return television if abs(television - rate) < 0.0005 else Fraction(rate).limit_denominator(1000)
