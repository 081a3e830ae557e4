"""Inputs for a clip: frames as an IMAGE, or a VIDEO, in whose place a node gets the frames.

Letters: N frames, H and W pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import torch
from comfy_api.latest import Input, InputImpl, io
from torch import Tensor

from .memory import check_frames_memory

# Numbers a pixel while a video is read: as frames, as one clip, and while values are converted.
NUMBERS, WITH_ALPHA = 8, 12
ADVICE = "put Trim Video in front of it, or save the video in a smaller size"


def clip_input(name: str, *others, **how) -> io.MultiType.Input:
    """An input that takes a clip as an IMAGE or a VIDEO, or one of the `others`; the node gets frames for a VIDEO."""
    return io.MultiType.Input(name, types=[io.Image, *others, io.Video], **how)


def takes_clip(one: io.Input) -> bool:
    """Whether an input takes a clip as an IMAGE and as a VIDEO."""
    return {"IMAGE", "VIDEO"} <= set(one.get_io_type().split(","))


def reads_videos(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node with an `execute` that gets the frames of a VIDEO wherever an input takes an IMAGE too."""

    def execute(cls, *args, **kwargs) -> io.NodeOutput:
        return super(reading, cls).execute(*args, **with_frames(node.GET_SCHEMA().inputs, kwargs))

    reading = type(node.__name__, (node,), {"execute": classmethod(execute), "__module__": node.__module__})
    return reading


def with_frames(inputs: list[io.Input], values: dict) -> dict:
    """The values with frames in place of videos, also in the option of a dynamic combo."""
    found = dict(values)
    for one in (one for one in inputs if one.id in values):
        value = values[one.id]
        if takes_clip(one):
            found[one.id] = read_clip(value, one.id)
        elif isinstance(one, io.DynamicCombo.Input) and isinstance(value, dict):
            for option in one.options:
                if option.key == value.get(one.id):
                    found[one.id] = with_frames(option.inputs, value)
    return found


def read_clip(value: object, name: str) -> object:
    """The frames of a VIDEO, in a list too, as nodes that take lists get it; anything else as it is."""
    if isinstance(value, list):
        return [read_clip(one, name) for one in value]
    return frames_of(value, name) if isinstance(value, Input.Video) else value


def frames_of(video: Input.Video, name: str) -> Tensor:
    """(N, H, W, 3) frames of a VIDEO as floats of its own bit depth, or (N, H, W, 4) where it has alpha."""
    check_video_memory(video, name)
    with broken_video(name):
        parts = video.get_components()
    images = parts.images
    if not len(images):
        raise ValueError(
            f"{name}: expected a video with at least one frame, got none: check the file, and the start and the duration "
            "of Trim Video."
        )
    warn_of_lost_frames(video, len(images), name)
    if parts.alpha is None:
        return images
    return torch.cat((images, parts.alpha.reshape(*images.shape[:3], 1).to(images)), -1)


def check_video_memory(video: Input.Video, name: str) -> None:
    """Refuses a file of more frames than there is room for, by what it says of itself, before any is read."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return
    with broken_video(name):
        (width, height), duration = video.get_dimensions(), video.get_duration()
        frames = max(0, ceil(duration * video.get_frame_rate()))
        numbers = WITH_ALPHA if has_alpha(video.get_stream_source()) else NUMBERS
    check_frames_memory(f"{name}: reading a video", frames, (height, width), numbers, advice=ADVICE)


def has_alpha(source: object) -> bool:
    """Whether the frames of a file have alpha."""
    import av

    with av.open(source) as container:
        return any(one.is_alpha for one in container.streams.video[0].format.components)


@contextmanager
def broken_video(name: str) -> Iterator[None]:
    """Says in a sentence that a file could not be read, and what the reader said of it."""
    import av

    try:
        yield
    except (av.error.FFmpegError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected a video that can be read, got {type(error).__name__} ({error}): check that the file plays "
            "elsewhere, or convert it to MP4."
        ) from error


def warn_of_lost_frames(video: Input.Video, found: int, name: str) -> None:
    """A file that is cut off or damaged gives fewer frames than it names."""
    from ..host.notice import show_warning

    whole = isinstance(video, InputImpl.VideoFromFile) and video.get_active_trim_window() == (0.0, 0.0)
    named = named_frames(video.get_stream_source()) if whole else 0
    lost = f"{name}: the file names {named} frames, but only {found} can be read: it is damaged or cut off."
    show_warning(lost if named > found else None, "The whole video was read.")


def named_frames(source: object) -> int:
    """How many frames a file says it has, 0 where it says nothing; VideoInput.get_frame_count() would guess."""
    import av

    with av.open(source) as container:
        return container.streams.video[0].frames
