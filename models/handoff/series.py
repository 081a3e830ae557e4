"""Numbered files of a clip: name.0001.exr and those that follow."""

import re
from pathlib import Path

from .. import numbered

NUMBERED = re.compile(r"(.*?)(\d+)(\.[a-z0-9]{2,4})", re.IGNORECASE)
FIRST = ".0001"  # how the name of the first frame ends, in front of the file's ending


def frame_files(first: Path, frames: int) -> list[Path]:
    """The files of a clip, of which the first ends in .0001.exr or the like."""
    stem = first.name.removesuffix(first.suffix).removesuffix(FIRST)
    return [first.with_name(f"{stem}.{i + 1:04}{first.suffix}") for i in range(frames)]


def series_of(path: Path) -> list[Path]:
    """A file of a clip and all later ones of its series, in order."""
    return numbered.series_of(path, NUMBERED)


def chosen_frames(path: Path, start: int, count: int) -> list[Path]:
    """`count` files of a series (0: all) from the frame `start`."""
    return numbered.chosen_files(path, NUMBERED, start, count)


def firsts(names: list[str]) -> list[str]:
    """Of names in folders the first of each series, and all that are not numbered."""
    kept = {}
    for name in sorted(names):
        match = NUMBERED.fullmatch(name.removesuffix(" [output]"))
        key = (match[1], match[3].lower()) if match else name
        number = int(match[2]) if match else 0
        if key not in kept or number < kept[key][0]:
            kept[key] = (number, name)
    return sorted(name for _, name in kept.values())


def only_series(folder: Path, endings: tuple[str, ...]) -> Path:
    """The first file of the one series in a folder."""
    names = firsts([path.name for path in folder.iterdir() if path.name.lower().endswith(endings)])
    if len(names) != 1:
        found = ", ".join(names[:6]) or "none"
        raise ValueError(f"Expected one depth file or series in the folder {folder.name}, got {found}: choose a file.")
    return folder / names[0]
