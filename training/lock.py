"""A lock between processes: the system releases it when its last holder ends, however it ends. Standard library only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if os.name == "nt":
    import msvcrt

    def take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def hold(path: Path) -> Iterator[int | None]:
    """The descriptor of the locked file, or None when somebody else has it; a child that inherits it holds it too."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            take(descriptor)
        except OSError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)
