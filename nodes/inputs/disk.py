"""Room on a disk, asked for before a file is written."""

import shutil
from pathlib import Path


def check_disk(folder: Path, needed: int, what: str, advice: str) -> None:
    """Refuses a file for which the disk has no room: `what` needs about N MB, but M MB are free: `advice`."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(f"{what} needs about {size(needed)} in {folder}, but {size(free)} are free there: {advice}.")


def size(count: float) -> str:
    """Bytes as file managers write them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.{0 if count >= 1e7 else 2}f} MB"
