"""Where things lie: this repository, the cache, the folders inside it."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from .errors import HostError

REPO = Path(__file__).resolve().parents[2]
OUTPUT = REPO / "output"
GB = 1_000_000_000


def cache_folder():
    """Returns the folder that holds everything this command downloads or builds."""
    if os.environ.get("DUET_CACHE"):
        return Path(os.environ["DUET_CACHE"]).expanduser().resolve()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "comfyui-duet"


def short_hash(*texts):
    """Returns twelve hexadecimal digits for some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def state_folder():
    """Returns the folder of this clone's models, inputs, logs and settings."""
    return cache_folder() / f"state-{short_hash(str(REPO))}"


def check_disk(folder, needed_gb, free_bytes=None):
    """Refuses to go on when the disk of `folder` has too little space."""
    if free_bytes is None:
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_gb * GB:
        raise HostError(
            f"Too little disk space in {folder}: {free_bytes / GB:.1f} GB are free, {needed_gb} GB are needed. "
            "Free some space, or set DUET_CACHE to a folder on another disk."
        )


def display_path(path):
    """Returns a path relative to the current folder where that is shorter to read."""
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return str(path)
