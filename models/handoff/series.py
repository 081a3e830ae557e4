"""Numbered files of a clip: name.0001.exr and those that follow."""

import re
from pathlib import Path

NUMBERED = re.compile(r"(.*?)(\d+)(\.[a-z0-9]{2,4})", re.IGNORECASE)
FIRST = ".0001"  # how the name of the first frame ends, in front of the file's ending


def frame_files(first: Path, frames: int) -> list[Path]:
    """The files of a clip, of which the first ends in .0001.exr or the like."""
    stem = first.name.removesuffix(first.suffix).removesuffix(FIRST)
    return [first.with_name(f"{stem}.{i + 1:04}{first.suffix}") for i in range(frames)]


def series_of(path: Path) -> list[Path]:
    """A numbered file and all later ones of its name in its folder, in order; any other file alone."""
    match = NUMBERED.fullmatch(path.name)
    if not match:
        return [path]
    found = [(NUMBERED.fullmatch(other.name), other) for other in path.parent.iterdir()]
    like = match[1], match[3].lower()
    numbered = {int(m[2]): other for m, other in found if m and (m[1], m[3].lower()) == like}
    return [numbered[number] for number in sorted(numbered) if number >= int(match[2])]


def chosen_frames(path: Path, start: int, count: int) -> list[Path]:
    """`count` files of a series (0: all) from the frame `start`; a number that is missing among them is refused."""
    files = series_of(path)
    if start >= len(files):
        raise ValueError(
            f"start_frame: expected less than {len(files)}, as {path.name} and what follows are {len(files)} frames, got "
            f"{start}: lower it."
        )
    chosen = files[start : start + count] if count else files[start:]
    if len(chosen) > 1:
        numbers = [int(NUMBERED.fullmatch(file.name)[2]) for file in chosen]
        gap = next((index for index in range(1, len(numbers)) if numbers[index] != numbers[index - 1] + 1), None)
        if gap is not None:
            raise ValueError(
                f"Frame {numbers[gap - 1] + 1} of {path.name} is missing, but the series goes on to number {numbers[-1]}: "
                f"restore it, or set frame_count to {gap} to end in front of it."
            )
    return chosen


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
