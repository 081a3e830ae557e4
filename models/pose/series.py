"""Numbered files of keypoints, one a frame: clip_000000000000_keypoints.json and those that follow."""

import re
from pathlib import Path

from .. import numbered

NUMBERED = re.compile(r"(.*?)(\d+)((?:_keypoints)?\.json)", re.IGNORECASE)
OPENPOSE = re.compile(r"(.*?)\d{6,}(_keypoints\.json(?: \[output\])?)", re.IGNORECASE)  # a name as OpenPose gives it


def series_of(path: Path) -> list[Path]:
    """A file of keypoints and all later ones of its series, in order."""
    return numbered.series_of(path, NUMBERED)


def following(path: Path, start: int, count: int) -> list[Path]:
    """`count` files of a series (0: all) from the frame `start`."""
    return numbered.chosen_files(path, NUMBERED, start, count)


def firsts(names: list[str]) -> list[str]:
    """Names without the later files of each series of OpenPose."""
    kept = {}
    for name in sorted(names):
        match = OPENPOSE.fullmatch(name)
        kept.setdefault((match[1], match[2]) if match else name, name)
    return sorted(kept.values())
