"""Examples that the processes of a run compute together and read from files, of which memory holds one copy."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

Examples = list[dict[str, Tensor]]


def share_work(make: Callable[[Sequence[int]], Examples], count: int, folder: str | Path) -> Examples:
    """The results of `make` for numbers 0 to count, distributed over all processes of the run.

    Several processes write their parts beside the run and map them all: the system keeps each page once, while
    messages would give every process a copy of everything.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return make(range(count))
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    files = [Path(folder) / ".examples" / f"{number}_of_{world}.safetensors" for number in range(world)]
    write(files[rank], "", make(range(rank, count, world)))
    torch.distributed.barrier()
    parts = [read(file) for file in files]
    torch.distributed.barrier()
    remove(files[rank])
    torch.distributed.barrier()  # the next call writes under the same names
    return [parts[number % world][number // world] for number in range(count)]


def for_each(make: Callable[[int], dict[str, Tensor]]) -> Callable[[Sequence[int]], Examples]:
    """Lifts a function of one number to a list of numbers."""
    return lambda numbers: [make(number) for number in numbers]


def read(file: Path) -> Examples:
    """The examples of a file, as parts of the mapped file."""
    examples = defaultdict(dict)
    with safe_open(file, "pt") as stored:
        for key in stored.keys():  # noqa: SIM118
            number, name = key.split(".", 1)
            examples[int(number)][name] = stored.get_tensor(key)
    return [examples[number] for number in range(len(examples))]


def write(file: Path, about: str, examples: Examples) -> None:
    """The examples to a file, whole or not at all."""
    tensors = {f"{i}.{name}": value for i, one in enumerate(examples) for name, value in apart(one).items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        save_file(tensors, temporary, {"about": about})
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def apart(example: dict[str, Tensor]) -> dict[str, Tensor]:
    """An example whose tensors are no views of each other, as files need them."""
    seen, out = set(), {}
    for name, value in example.items():
        value = value.contiguous()
        out[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return out


def remove(file: Path) -> None:
    """Removes a file that is mapped; Windows keeps it until the next run writes it again."""
    try:
        file.unlink()
        file.parent.rmdir()
    except OSError:
        pass
