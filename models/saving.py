"""Files of any kind, written under another name first, so that none is ever incomplete."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """One file by write(file)."""
    return write_files([path], lambda index, file: write(file))[0]


def write_files(
    paths: list[Path], write: Callable[[int, BinaryIO], object], report: Callable[[int], None] = lambda done: None
) -> list[Path]:
    """Several files by write(index, file), all or none.

    All are written under other names, then renamed from the last to the first: where the first is, all are.
    """
    unfinished, named = [hidden(path) for path in paths], []
    try:
        for index, path in enumerate(paths):
            fill(unfinished[index], path, lambda file, index=index: write(index, file))
            report(index + 1)
        for old, new in zip(reversed(unfinished), reversed(paths), strict=True):
            os.replace(old, new)
            named.append(new)
    finally:
        for path in [*unfinished, *(named if len(named) < len(paths) else ())]:
            remove(path)
    return paths


def write_by_name(path: Path, write: Callable[[Path], None]) -> Path:
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


def hidden(path: Path) -> Path:
    """The name of a file until it is complete, which no list shows."""
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def fill(unfinished: Path, path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file to the disk; where the system refuses, the sentence names the file and why."""
    try:
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ValueError(
            f"{path} could not be written ({error.strerror or error}), and nothing of it is left: make room on that disk, "
            "or choose another folder in filename_prefix."
        ) from error


def remove(path: Path) -> None:
    """A read-only disk refuses to remove even what is not there, which would hide the first error."""
    if path.exists():
        path.unlink(missing_ok=True)
