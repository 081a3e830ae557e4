"""Video files with their depth, mask and pose beside them, as the host's nodes write them.

name.mp4 with name_depth.mp4 or a folder name_depth/ of numbered pictures, the same with _mask and, if wanted, _pose;
name.txt says in a sentence what it shows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from .disco import checked_colormap
from .folder import ENDINGS, existing
from .pictures import colour, depth_of, mask_of, read_raw
from .windows import INSTRUCTIONS, NAMES, Take, Windows, few, gaps, text_of

FILMS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v")
COMPANIONS = {"depth": "_depth", "mask": "_mask", "pose": "_pose"}
NUMBER = re.compile(r"(\d+)_?$")  # frame_00001_.png, as Save Image names them


class VideoFiles(Windows):
    def __init__(
        self, path: str, size=256, frames: int = 8, interval: int = 1, stride: int | None = None, colormap: str = "hot"
    ):
        import_av()
        root = existing(path)
        films = sorted(file for file in root.iterdir() if file.suffix.lower() in FILMS and file.is_file())
        alone = [file for file in films if not file.stem.endswith(tuple(COMPANIONS.values()))]
        takes: list[Take] = [VideoTake(file, checked_colormap(colormap)) for file in alone]
        stems = {file.stem for file in alone}
        for file in films:
            if file not in alone and file.stem.rsplit("_", 1)[0] not in stems:
                takes.append(
                    Take(file.stem, trouble=f"expected a video beside {file.name}, got none: add or rename it")
                )
        super().__init__(takes, size, frames, interval, stride)


class VideoTake(Take):
    def __init__(self, file: Path, colormap: str):
        super().__init__(file.stem)
        self.file, self.colormap = file, colormap
        try:
            self.parts: dict[str, Film | Stills] = {"video": Film(file)}
            self.count = len(self.parts["video"])
            self.trouble = self.find(file)
        except ValueError as error:
            self.trouble = str(error)

    def find(self, file: Path) -> str:
        """Takes up the companions of a video: why it cannot be used, or nothing."""
        for name, tail in COMPANIONS.items():
            stem = file.stem + tail
            films = [file.with_name(stem + ending) for ending in FILMS if file.with_name(stem + ending).is_file()]
            if (file.parent / stem).is_dir():
                self.parts[name] = Stills(file.parent / stem)
            elif films:
                self.parts[name] = Film(films[0])
            elif name == "pose":
                self.remarks.append(f"no {stem}.mp4, so the pose pictures are black: {INSTRUCTIONS[name]}")
            else:
                return f"no {stem}.mp4 and no folder {stem}: {INSTRUCTIONS[name]}"
            if name in self.parts and len(self.parts[name]) != self.count:
                return f"expected {self.count} frames in {stem}, got {len(self.parts[name])}: {INSTRUCTIONS[name]}"
        return ""

    def read(self, positions: Iterable[int], names: Sequence[str] = NAMES) -> Iterator[dict[str, np.ndarray]]:
        positions = list(positions)
        black = "pose" in names and "pose" not in self.parts
        read = list(dict.fromkeys([*(name for name in names if name in self.parts), *(["video"] if black else [])]))
        for raws in zip(*(self.parts[name].read(positions, deep=name == "depth") for name in read), strict=True):
            frame = {name: self.converted(name, raw) for name, raw in zip(read, raws, strict=True)}
            if black:
                frame["pose"] = np.zeros_like(frame["video"])
            yield frame

    def caption(self) -> str:
        return text_of(self.file.with_suffix(".txt"))

    def converted(self, name: str, raw: np.ndarray) -> np.ndarray:
        if name == "depth":
            return depth_of(raw, self.colormap)
        return mask_of(raw) if name == "mask" else colour(raw)


class Stills:
    """A folder of numbered pictures."""

    def __init__(self, folder: Path):
        files = [file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and NUMBER.search(file.stem)]
        numbers = {int(NUMBER.search(file.stem)[1]): file for file in files}
        if len(numbers) < len(files):
            raise ValueError(f"{folder.name}: expected one picture of a number, got several: keep one series")
        if gaps(numbers):
            raise ValueError(f"{folder.name}: expected no gaps, got no picture numbered {few(gaps(numbers))}: add them")
        self.files = [numbers[n] for n in sorted(numbers)]

    def __len__(self) -> int:
        return len(self.files)

    def read(self, positions: list[int], deep: bool = False) -> Iterator[np.ndarray]:
        return (read_raw(self.files[position]) for position in positions)


class Film:
    """A video by the times of its frames, which are listed without decoding; `source` opens one that is no file of its own."""

    def __init__(self, file: Path, source: Callable | None = None):
        av = import_av()
        self.file, self.source = file, source
        try:
            with av.open(self.opened()) as box:
                if not box.streams.video:
                    raise ValueError(f"{file.name}: expected pictures in the file, got none: choose a video")
                packets = box.demux(box.streams.video[0])
                self.times = sorted(p.pts for p in packets if p.pts is not None and not p.is_discard)
        except av.FFmpegError as error:
            raise ValueError(
                f"{file.name}: expected a video, got an unreadable file ({error}): write it again"
            ) from error

    def opened(self):
        """What PyAV opens: a path, or a file object."""
        return self.source() if self.source else str(self.file)

    def __len__(self) -> int:
        return len(self.times)

    def read(self, positions: list[int], deep: bool = False) -> Iterator[np.ndarray]:
        """The raw pictures of frames in rising order; `deep` keeps more than 8 bits."""
        wanted = [self.times[position] for position in positions]
        for seek in (True, False):  # a file that cannot be entered in its middle is read from its beginning
            for frame in self.decoded(wanted[0] if seek and wanted else None):
                if wanted and frame.pts == wanted[0]:
                    wanted.pop(0)
                    yield pixels(frame, deep)
                if not wanted:
                    return
                if frame.pts is not None and frame.pts > wanted[0]:
                    break
        raise ValueError(
            f"{self.file.name}: expected frame {self.times.index(wanted[0]) + 1}, got none: write it again"
        )

    def decoded(self, time: int | None) -> Iterator:
        """The frames of the file, from the last one before `time` that can be entered at."""
        av = import_av()
        try:
            with av.open(self.opened()) as box:
                stream = box.streams.video[0]
                if time is not None and time > self.times[0]:
                    box.seek(time, stream=stream)
                yield from box.decode(stream)
        except av.FFmpegError as error:
            raise ValueError(
                f"{self.file.name}: expected frames, got a damaged file ({error}): write it again"
            ) from error


def pixels(frame, deep: bool) -> np.ndarray:
    """A decoded frame as a raw picture: grey stays grey, and `deep` gives 16 bits where the file has more than 8."""
    bits = 16 if deep and frame.format.components[0].bits > 8 else 8
    if frame.format.name.startswith("gray"):
        return frame.to_ndarray(format="gray16le" if bits == 16 else "gray")
    return frame.to_ndarray(format="rgb48le" if bits == 16 else "rgb24")


def import_av() -> ModuleType:
    """PyAV, or an error that names it."""
    try:
        import av
    except ImportError as error:
        raise RuntimeError(
            f"Video files are read with the package av, which could not be imported ({error}): run `pip install av`, "
            "or export the frames as pictures and use data of kind folder."
        ) from error
    return av
