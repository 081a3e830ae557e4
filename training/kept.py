"""Encoded clips: made once by all processes of a run together, and kept in a file where the settings name one."""

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .settings import RunSettings

Examples = list[dict[str, Tensor]]


def kept_or_made(make: Callable[[int], dict[str, Tensor]], count: int, settings: RunSettings) -> Examples:
    """What `make` answers for each number, or what an earlier run with the same data and encoders kept of it."""
    if not settings.model.get("kept"):
        return shared_work(make, count)
    file, about = Path(settings.model["kept"]), what_it_is(settings, count)
    if (found := read(file, about)) is not None:
        return found
    made = shared_work(make, count)
    if int(os.environ.get("RANK", 0)) == 0:
        write(file, about, made)
    return made


def what_it_is(settings: RunSettings, count: int) -> str:
    """All that the encoded clips follow from; clips that changed on the disk are not noticed."""
    encoders = {n: checksum(Path(settings.model[n])) for n in ("vae", "clip") if settings.model.get(n)}
    return json.dumps([settings.recipe, settings.data, count, encoders, settings.precision], sort_keys=True)


def checksum(path: Path) -> int:
    """A sum over a file, or over the files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    total = 0
    for file in files:
        with file.open("rb") as stream:
            while piece := stream.read(1 << 24):
                total = zlib.crc32(piece, total)
    return total


def read(file: Path, about: str) -> Examples | None:
    """The examples of a file, or None where there is none or it was made of something else."""
    if not file.is_file():
        return None
    with safe_open(file, "pt") as stored:
        if (stored.metadata() or {}).get("about") != about:
            return None
        examples = defaultdict(dict)
        for key in stored.keys():  # noqa: SIM118
            number, name = key.split(".", 1)
            examples[int(number)][name] = stored.get_tensor(key)
    return [examples[number] for number in range(len(examples))]


def write(file: Path, about: str, examples: Examples) -> None:
    """The examples to a file, whole or not at all."""
    tensors = {f"{i}.{name}": value.contiguous() for i, one in enumerate(examples) for name, value in one.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        save_file(tensors, half, {"about": about})
        half.replace(file)
    finally:
        half.unlink(missing_ok=True)


def shared_work(make: Callable[[int], dict], count: int) -> list[dict]:
    """What `make` answers for each number, the numbers dealt out to all processes of the run."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [make(number) for number in range(count)]
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    dealt = [None] * world
    torch.distributed.all_gather_object(dealt, [make(number) for number in range(rank, count, world)])
    return [dealt[number % world][number // world] for number in range(count)]
