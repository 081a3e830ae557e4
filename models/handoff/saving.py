"""A clip to depth files, frame by frame: all files or none, each under another name until it is complete."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..flow.frames import Report, silent
from ..saving import write_file, write_files
from . import exr, png, video
from .channels import depth_channels
from .forms import ending_of
from .names import EXR_HALF, Form
from .note import TEXT, DepthNote
from .series import frame_files


class DepthClip(NamedTuple):
    """What is saved, asked for one frame at a time."""

    frames: int
    depth_of: Callable[[int], np.ndarray]  # (H, W) numbers as the note describes them
    beside_of: Callable[[int], dict[str, np.ndarray]]  # further channels of an EXR


def save_clip(
    sidecar: Path, clip: DepthClip, form: Form, note: DepthNote, texts: dict[str, str], report: Report = silent
) -> Path:
    """Writes the files of a clip beside its note, and the note last; returns the first file."""
    first = sidecar.with_name(sidecar.stem + ending_of(form))
    if form.is_exr:
        write_exr_series(first, clip, form, note, texts, report)
    elif form.file_format in video.CODECS:
        write = lambda file: video.write_video(
            file, form.file_format, clip.frames, clip.depth_of, note.frame_rate, texts | {TEXT: note.as_json()}, report
        )
        write_file(first, write)
    else:
        texts = texts | {TEXT: note.as_json()}
        write_files(
            frame_files(first, clip.frames), lambda i, file: png.write_frame(file, clip.depth_of(i), texts), report
        )
    write_file(sidecar, lambda file: file.write(note.as_json(**texts).encode()))
    return first


def write_exr_series(
    first: Path, clip: DepthClip, form: Form, note: DepthNote, texts: dict[str, str], report: Report
) -> None:
    """A file for each frame, with depth and what is beside it as channels."""
    attributes = note.as_attributes() | texts
    settings = exr.ExrSettings(form.file_format == EXR_HALF, form.compression)

    def write(index: int, file) -> None:
        channels = depth_channels(clip.depth_of(index), form.channel) | clip.beside_of(index)
        exr.write_frame(Path(file.name), {"": channels}, attributes, settings)  # by name, as older OpenEXR needs it

    write_files(frame_files(first, clip.frames), write, report)


def save_parts(
    sidecar: Path,
    frames: int,
    parts_of: Callable[[int], dict[str, exr.Channels]],
    settings: exr.ExrSettings,
    note: DepthNote,
    texts: dict[str, str],
    report: Report = silent,
) -> Path:
    """A file of several parts for each frame, and the note last; returns the first file."""
    attributes = note.as_attributes() | texts
    files = frame_files(sidecar.with_name(f"{sidecar.stem}.0001.exr"), frames)
    write_files(files, lambda i, file: exr.write_frame(Path(file.name), parts_of(i), attributes, settings), report)
    write_file(sidecar, lambda file: file.write(note.as_json(**texts).encode()))
    return files[0]
