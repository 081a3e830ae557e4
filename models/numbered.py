"""Files that are numbered, one a frame: those that follow a first one, and some of them.

A pattern is a regular expression whose three groups are what stands in front of the number, the number, and what follows.
"""

import re
from pathlib import Path


def series_of(path: Path, pattern: re.Pattern) -> list[Path]:
    """A numbered file and all later ones of its name in its folder, in order; any other file alone."""
    match = pattern.fullmatch(path.name)
    if not match:
        return [path]
    found = [(pattern.fullmatch(other.name), other) for other in path.parent.iterdir()]
    like = match[1], match[3].lower()
    numbered = {int(m[2]): other for m, other in found if m and (m[1], m[3].lower()) == like}
    return [numbered[number] for number in sorted(numbered) if number >= int(match[2])]


def chosen_files(path: Path, pattern: re.Pattern, start: int, count: int) -> list[Path]:
    """`count` files of a series (0: all) from the frame `start`; a number that is missing among them is refused."""
    files = chosen(series_of(path, pattern), start, count, path.name)
    numbers = [int(pattern.fullmatch(file.name)[2]) for file in files] if len(files) > 1 else []
    gap = next((i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), None)
    if gap is not None:
        raise ValueError(
            f"Frame {numbers[gap - 1] + 1} of {path.name} is missing, but the series goes on to number {numbers[-1]}: "
            f"restore it, or set frame_count to {gap} to end in front of it."
        )
    return files


def chosen(items: list, start: int, count: int, name: str) -> list:
    """`count` items (0: all) from `start`."""
    if start >= len(items):
        raise ValueError(
            f"start_frame: expected less than {len(items)}, as {name} has {len(items)} frames, got {start}: lower it."
        )
    return items[start : start + count] if count else items[start:]
