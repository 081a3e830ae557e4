"""Depth files of any program, opened: what they are, and their frames one after the other.

Letters: H and W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import exr, png, video
from .channels import COLOURS, KNOWN, MOTION, OBJECT, PARTS, find_depth, motion_of, picture_of
from .names import READ_ENDINGS
from .note import TEXT, DepthNote, frame_rate_of, note_of_attributes, note_of_json, sidecar_of
from .series import NUMBERED, chosen_frames, series_of

_, PNG, *VIDEO = READ_ENDINGS


class Frame(NamedTuple):
    """What a file holds of one frame."""

    depth: Tensor  # (H, W), or (H, W, 3) where it is stored as a picture
    known: Tensor | None = None  # (H, W) 1 where depth is known
    picture: Tensor | None = None  # (H, W, 3 or 4) sRGB
    motion: dict[str, tuple[Tensor, Tensor]] | None = None  # "forward", "backward": offsets and where they are valid
    objects: Tensor | None = None  # (H, W) numbers of objects, 0 for none


@dataclass(frozen=True)
class DepthFile:
    """A chosen part of depth files."""

    path: Path
    start: int
    frames: int
    size: tuple[int, int]
    note: DepthNote | None
    frame_rate: float = 0.0
    files: tuple[Path, ...] = ()  # of the frames, where each has one
    names: tuple[str, ...] = ()  # the channels of an EXR
    channel: str = ""  # the one that holds depth

    def __iter__(self) -> Iterator[Frame]:
        if not self.files:
            yield from (as_frame(pixels) for pixels in video.read_frames(self.path, self.start, self.frames))
            return
        for file in self.files:
            check_size(self, file)
            yield self.exr_frame(file) if self.names else as_frame(png.read_frame(file))

    @property
    def is_picture(self) -> bool:
        """Depth is stored as a picture of red, green and blue."""
        return self.channel == "R" and set(COLOURS[:3]) <= set(self.names)

    @property
    def wanted(self) -> list[str]:
        """The channels of an EXR that are read."""
        motion = {f"{name}.{part}" for name in MOTION for part in PARTS}
        return [name for name in self.names if name in {self.channel, KNOWN, OBJECT, *COLOURS, *motion}]

    def has(self, *names: str) -> bool:
        return set(names) <= set(self.names)

    def exr_frame(self, file: Path) -> Frame:
        found = exr.read_channels(file, self.wanted)
        if self.is_picture:
            return Frame(torch.stack([torch.from_numpy(found[name]) for name in COLOURS[:3]], -1))
        motion = {name: motion_of(found, name) for name in MOTION if self.has(f"{name}.u", f"{name}.v")}
        return Frame(
            torch.from_numpy(found[self.channel]),
            torch.from_numpy(found[KNOWN]) if KNOWN in found else None,
            picture_of(found) if self.has(*COLOURS[:3]) else None,
            motion or None,
            torch.from_numpy(found[OBJECT]) if OBJECT in found else None,
        )


def as_frame(pixels: np.ndarray) -> Frame:
    """(H, W, 1, 3 or 4) as a frame of depth; alpha is dropped."""
    return Frame(torch.from_numpy(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]))


def open_depth(path: Path, start: int = 0, count: int = 0, channel_name: str = "") -> DepthFile:
    """What lies behind a file and the later ones of its series; no pixel is read."""
    if path.suffix.lower() in VIDEO:
        head = video.read_head(path)
        frames = min(count or head.frames, head.frames - start)
        if frames < 1:
            raise ValueError(
                f"start_frame: expected less than {head.frames}, the frames of {path.name}, got {start}: lower it."
            )
        note = note_of(path, head.texts.get(TEXT))
        if note and note.frames > head.frames:
            raise ValueError(
                f"{path.name}: expected {note.frames} frames as its note says, got {head.frames}: it is incomplete. Save or copy "
                "it again."
            )
        return DepthFile(path, start, frames, head.size, note, head.frame_rate)
    files = tuple(chosen_frames(path, start, count))
    if path.suffix.lower() == PNG:
        size, texts = png.read_head(files[0])
        note = note_of(path, texts.get(TEXT))
        return DepthFile(path, start, len(files), size, note, note.frame_rate if note else 0.0, files)
    head = exr.read_head(files[0])
    note = note_of(path, None) or note_of_attributes(head.attributes, path.name)
    channel, rate = find_depth(head.names, channel_name), frame_rate_of(head.attributes)
    return DepthFile(path, start, len(files), head.size, note, rate, files, tuple(head.names), channel)


def note_of(path: Path, text: str | None) -> DepthNote | None:
    """The note beside a file, else the one in its text; a series that has lost frames is refused."""
    sidecar = sidecar_of(path)
    content = sidecar.read_text("utf-8", errors="replace") if sidecar.is_file() else None
    if content == "":
        raise ValueError(f"{sidecar.name} is empty: Save Depth was stopped before the end. Save the depth again.")
    if content is None or '"depth_type"' not in content:
        return note_of_json(text, path.name) if text else None
    note = note_of_json(content, sidecar.name)
    match = NUMBERED.fullmatch(path.name)
    expected = note.frames - int(match[2]) + 1 if match else 0
    if expected > (found := len(series_of(path))):
        raise ValueError(
            f"{sidecar.name} names {note.frames} frames, but of those from {path.name} on {found} are there: restore the others, "
            "or delete the note and set depth_type."
        )
    return note


def check_size(clip: DepthFile, file: Path) -> None:
    """Refuses a frame of another size than the first."""
    size = exr.read_head(file).size if clip.names else png.read_head(file)[0]
    if size != clip.size:
        raise ValueError(
            f"Expected frames of one size, but {clip.files[0].name} is {clip.size[1]} x {clip.size[0]} and {file.name} "
            f"{size[1]} x {size[0]}: set frame_count to end in front of it."
        )
