"""The files of a moving geometry: written under other names first, one after another."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import uuid4

from ..flow.files import fill, hidden

FIRST = "_0000"  # how the first name of a series ends, in front of its ending


def write_series(first: Path, files: Iterable[list[bytes]], report: Callable[[int], None]) -> list[Path]:
    """A file for each content that comes, of which the first name ends in FIRST.

    All are written under other names, then renamed from the last to the first: where the first is, all are.
    """
    unfinished, named, names = [], [], []
    try:
        for number, chunks in enumerate(files):
            names.append(first.with_stem(first.stem.removesuffix(FIRST) + f"_{number:04}"))
            unfinished.append(hidden(names[-1]))
            fill(unfinished[-1], names[-1], lambda file, chunks=chunks: file.writelines(chunks))
            report(number + 1)
        for old, new in zip(reversed(unfinished), reversed(names), strict=True):
            os.replace(old, new)
            named.append(new)
    finally:
        for path in [*unfinished, *(named if len(named) < len(names) else ())]:
            remove(path)
    return names


def write_one(path: Path, write: Callable[[Path], None]) -> Path:
    """A file that a library writes by its name; the library decides by the ending, so that stays."""
    unfinished = path.with_name(f".{path.stem}.{uuid4().hex}{path.suffix}")
    try:
        write(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        remove(unfinished)
    return path


def remove(path: Path) -> None:
    """A read-only disk refuses to remove even what is not there, which would hide the first error."""
    if path.exists():
        path.unlink(missing_ok=True)
