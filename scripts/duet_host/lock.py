"""A lock between processes: the system releases it when its holder ends, however it ends."""

import contextlib
import os
import time

from .console import Progress

if os.name == "nt":
    import msvcrt

    def _try_lock(descriptor):
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def file_lock(path, waiting="Waiting for another setup to finish"):
    """Holds `path` locked; yields its descriptor, which a child may inherit to hold the lock as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        _wait_for(descriptor, waiting)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor, waiting):
    try:
        return _try_lock(descriptor)
    except OSError:
        pass
    with Progress(waiting) as progress:
        while True:
            try:
                return _try_lock(descriptor)
            except OSError:
                time.sleep(0.2)
                progress.update()
