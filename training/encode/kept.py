"""Encoded clips: computed once by all processes of a run together, and stored in a file if the settings name one."""

import json
import os
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from ..page.lock import wait_for
from ..page.settings import RunSettings
from .code_key import code_key
from .shared import Examples, read, share_work, write
from .workers import encoded


def load_or_encode(
    raw: Callable[[int], dict[str, Tensor]], encode: Callable[[dict], dict], count: int, settings: RunSettings
) -> Examples:
    """The raw example of each number, encoded, or loaded from an earlier run with the same data and encoders."""
    make = partial(encoded, raw, encode, workers=settings.workers)
    if not settings.model.get("kept"):
        return share_work(make, count, settings.folder)
    file, about = Path(settings.model["kept"]), cache_key(settings, count, code_key(raw, encode))
    main = int(os.environ.get("RANK", 0)) == 0
    # Of runs that start at once on one file the first writes it; the others wait and read.
    with wait_for(file.with_name(f"{file.name}.lock")) if main else nullcontext():
        if broadcast_from_main(matches(file, about)):
            return read(file)
        examples = share_work(make, count, settings.folder)
        if main:
            write(file, about, examples)
    return examples


def broadcast_from_main(value: bool) -> bool:
    """The main process's value, in all processes of a run, so that they take the same branch."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values)
    return values[0]


def cache_key(settings: RunSettings, count: int, code: int) -> str:
    """All that encoded clips depend on, as JSON; changed files of clips are not detected."""
    encoders = {n: checksum(Path(settings.model[n])) for n in ("vae", "clip") if settings.model.get(n)}
    recipe = "idol" if settings.recipe.startswith("idol_") else settings.recipe  # IDOL's stages read clips alike
    return json.dumps([recipe, settings.data, count, encoders, settings.precision, code], sort_keys=True)


def checksum(path: Path) -> int:
    """A sum over a file, or over the files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    total = 0
    for file in files:
        with file.open("rb") as stream:
            while piece := stream.read(1 << 24):
                total = zlib.crc32(piece, total)
    return total


def matches(file: Path, about: str) -> bool:
    """Whether a file exists and was written for this key."""
    if not file.is_file():
        return False
    with safe_open(file, "pt") as stored:
        return (stored.metadata() or {}).get("about") == about
