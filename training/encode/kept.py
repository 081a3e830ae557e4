"""Encoded clips: computed once by all processes of a run together, and stored in a file if the settings name one."""

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from ..page.lock import wait_for
from ..page.settings import RunSettings

Examples = list[dict[str, Tensor]]


def load_or_encode(
    raw: Callable[[int], dict[str, Tensor]], encode: Callable[[dict], dict], count: int, settings: RunSettings
) -> Examples:
    """The raw example of each number, encoded, or loaded from an earlier run with the same data and encoders."""
    make = partial(encoded, raw, encode, workers=settings.workers)
    if not settings.model.get("kept"):
        return share_work(make, count)
    file, about = Path(settings.model["kept"]), cache_key(settings, count)
    main = int(os.environ.get("RANK", 0)) == 0
    # Of runs that start at once on one file the first writes it; the others wait and read.
    with wait_for(file.with_name(f"{file.name}.lock")) if main else nullcontext():
        if broadcast_from_main(matches(file, about)):
            return read(file)
        examples = share_work(make, count)
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


def cache_key(settings: RunSettings, count: int) -> str:
    """All that encoded clips depend on, as JSON; changed files of clips are not detected."""
    encoders = {n: checksum(Path(settings.model[n])) for n in ("vae", "clip") if settings.model.get(n)}
    # IDOL's stages read clips alike; before they kept masks, files were made by "idol".
    recipe = "idol with masks" if settings.recipe.startswith("idol_") else settings.recipe
    return json.dumps([recipe, settings.data, count, encoders, settings.precision], sort_keys=True)


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


def read(file: Path) -> Examples:
    """The examples of a file."""
    examples = defaultdict(dict)
    with safe_open(file, "pt") as stored:
        for key in stored.keys():  # noqa: SIM118
            number, name = key.split(".", 1)
            examples[int(number)][name] = stored.get_tensor(key)
    return [examples[number] for number in range(len(examples))]


def write(file: Path, about: str, examples: Examples) -> None:
    """The examples to a file, whole or not at all."""
    tensors = {f"{i}.{name}": value.contiguous() for i, one in enumerate(examples) for name, value in one.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, {"about": about})
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def share_work(make: Callable[[Sequence[int]], list], count: int) -> list:
    """The results of `make` for numbers 0 to count, distributed over all processes of the run."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return make(range(count))
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    dealt = [None] * world
    torch.distributed.all_gather_object(dealt, make(range(rank, count, world)))
    return [dealt[number % world][number // world] for number in range(count)]


def for_each(make: Callable[[int], object]) -> Callable[[Sequence[int]], list]:
    """Lifts a function of one number to a list of numbers."""
    return lambda numbers: [make(number) for number in numbers]


def encoded(
    raw: Callable[[int], dict], encode: Callable[[dict], dict], numbers: Sequence[int], workers: int
) -> Examples:
    """Each number's raw example, encoded here on the device while worker processes read or render the next ones."""
    loader = DataLoader(Raw(raw), batch_size=None, sampler=numbers, num_workers=workers, collate_fn=identity)
    # What a worker sent lies in memory that is shared with it, and open files are few: a copy is kept instead.
    own = (lambda one: {name: value.clone() for name, value in one.items()}) if workers else (lambda one: one)
    return [own(encode(one)) for one in loader]


def identity(example: dict) -> dict:
    return example


class Raw:
    """The examples before encoding, as a data set for a loader."""

    def __init__(self, raw: Callable[[int], dict]):
        self.raw = raw

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return self.raw(number)
