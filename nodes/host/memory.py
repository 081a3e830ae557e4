"""Memory that a node is about to fill: asked for first, refused in a sentence where it is not there."""

from math import prod
from pathlib import Path

import comfy.model_management as memory
import torch

CPU = torch.device("cpu")
CGROUP = Path("/sys/fs/cgroup")
SPARE = 256 * 2**20  # bytes that the server itself needs to go on


def free_memory() -> int:
    """Bytes of main memory that this process may still take; a container's limit counts too."""
    return min(memory.get_free_memory(CPU), left_in_container()) - SPARE


def left_in_container() -> float:
    """Bytes up to the limit of the container, without what the kernel can drop; infinite where there is none."""
    try:
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(stat.get("inactive_file", 0))
    except (OSError, ValueError):  # no container, no limit ("max"), or another system
        return float("inf")


def check_memory(needed: int, what: str, advice: str) -> None:
    """Refuses work that holds more bytes than are free, after the host has unloaded models that lie in main memory.

    The sentence reads: `what` needs about N GB of memory, but M GB are free: `advice`.
    """
    if needed <= free_memory():
        return
    memory.free_memory(needed + SPARE, CPU)
    if needed > (free := free_memory()):
        raise ValueError(f"{what} needs about {gigabytes(needed)} of memory, but {gigabytes(free)} are free: {advice}.")


def bytes_of(*shape: int, copies: float = 1, itemsize: int = 4) -> int:
    """Bytes of `copies` tensors of a shape, float32 unless itemsize says otherwise."""
    return int(prod(shape) * itemsize * copies)


def gigabytes(size: float) -> str:
    """10**9 bytes are a gigabyte, as file managers write it."""
    return f"{max(size, 0) / 1e9:.{0 if size >= 1e11 else 1}f} GB"
