"""Shards of WebDataset: tar files in which the files of a clip follow each other under one name.

name.mp4 with name.depth.mkv and name.mask.mp4, if wanted name.pose.mp4; name.txt says in a sentence what it shows. A tar
is read where it lies: what is in it is listed once, and a clip costs the reading of its own bytes.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .disco import checked_colormap
from .folder import existing
from .videos import COMPANIONS, FILMS, Film, VideoTake, import_av
from .windows import INSTRUCTIONS, Take, Windows

CAPTION = "txt"


class Shards(Windows):
    def __init__(
        self, path: str, size=256, frames: int = 8, interval: int = 1, stride: int | None = None, colormap: str = "hot"
    ):
        import_av()
        takes: list[Take] = []
        for tar in sorted(existing(path).glob("*.tar")):
            try:
                takes += [ShardTake(tar, key, parts, checked_colormap(colormap)) for key, parts in samples(tar)]
            except (tarfile.TarError, OSError) as error:
                takes.append(Take(tar.name, trouble=f"expected a whole tar, got {error}: write it again"))
        super().__init__(takes, size, frames, interval, stride)


class Part(NamedTuple):
    """Where a file lies in a tar."""

    tar: Path
    offset: int
    size: int

    def open(self) -> "Slice":
        return Slice(self)


def samples(tar: Path) -> Iterator[tuple[str, dict[str, Part]]]:
    """The clips of a shard: the name up to its first dot, and its files by what follows the dot."""
    key, parts = None, {}
    with tarfile.open(tar, "r:") as box:
        for member in box:
            if not member.isfile():
                continue
            folder, _, name = member.name.rpartition("/")
            stem, _, ending = name.partition(".")
            found = f"{folder}/{stem}" if folder else stem
            if found != key and parts:
                yield key, parts
                parts = {}
            key = found
            parts[ending.lower()] = Part(tar, member.offset_data, member.size)
    if parts:
        yield key, parts


class ShardTake(VideoTake):
    def __init__(self, tar: Path, key: str, files: dict[str, Part], colormap: str):
        Take.__init__(self, f"{tar.name}/{key}")
        self.files, self.colormap = files, colormap
        try:
            film = self.film("")
            if film is None:
                raise ValueError(f"expected a video {key}.mp4, got {', '.join(files)}: add or rename it")
            self.parts = {"video": film}
            self.count = len(film)
            self.trouble = self.find_companions()
        except ValueError as error:
            self.trouble = str(error)

    def film(self, name: str) -> Film | None:
        """The video of a name in this clip, if there is one."""
        for ending in FILMS:
            part = self.files.get(f"{name}{ending}".lstrip("."))
            if part is not None:
                return Film(Path(f"{self.name}.{name or 'video'}"), part.open)
        return None

    def find_companions(self) -> str:
        """Takes up depth, mask and pose: why the clip cannot be used, or nothing."""
        for name in COMPANIONS:
            film = self.film(name)
            if film is None and name != "pose":
                return f"no file {name}.mp4 of it: {INSTRUCTIONS[name]}"
            if film is None:
                self.remarks.append(f"no file pose.mp4 of it, so the pose pictures are black: {INSTRUCTIONS[name]}")
            elif len(film) != self.count:
                return f"expected {self.count} frames in {name}, got {len(film)}: {INSTRUCTIONS[name]}"
            else:
                self.parts[name] = film
        return ""

    def caption(self) -> str:
        part = self.files.get(CAPTION)
        if part is None:
            return ""
        with part.open() as file:
            return " ".join(file.read().decode("utf-8-sig", errors="replace").split())


class Slice(io.RawIOBase):
    """A file inside a tar, as a file of its own."""

    def __init__(self, part: Part):
        self.file, self.begin, self.length, self.at = open(part.tar, "rb"), part.offset, part.size, 0  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.length}[whence]
        self.at = max(0, start + offset)
        return self.at

    def readinto(self, buffer) -> int:
        self.file.seek(self.begin + self.at)
        data = self.file.read(max(0, min(len(buffer), self.length - self.at)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def write_shard(tar: Path, clips: dict[str, dict[str, bytes]]) -> None:
    """A shard of clips, {name: {ending: the file's bytes}}, which appears whole or not at all."""
    part = tar.with_name(f".{tar.name}.part")
    try:
        with tarfile.open(part, "w") as box:
            for name, files in clips.items():
                for ending, data in files.items():
                    entry = tarfile.TarInfo(f"{name}.{ending}")
                    entry.size = len(data)
                    box.addfile(entry, io.BytesIO(data))
        part.replace(tar)
    finally:
        part.unlink(missing_ok=True)
