"""A lock between processes: the system releases it when its last holder ends, however it ends. Standard library only."""

import os
import time
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
    """The descriptor of the locked file, or None when another process has it; a child that inherits it holds it too."""
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


@contextmanager
def wait_for(path: Path) -> Iterator[None]:
    """The lock of a file as soon as no other process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with hold(path) as descriptor:
            if descriptor is not None:
                yield
                return
        time.sleep(0.2)
