"""Parts of a picture in several threads.

PyTorch computes on small tensors in the thread that calls it; larger ones it shares out itself, operation by operation, and
some operations not at all. Many operations on one part after another, with a thread for each part, stay in the cache.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")

GRAIN = 32768  # numbers of a tensor up to which PyTorch computes in the thread that calls it


def in_threads(work: Callable[[Part], None], parts: Sequence[Part]) -> None:
    """Calls work(part) for each part, several at a time."""
    inference = torch.is_inference_mode_enabled()  # holds for one thread only

    def call(part: Part) -> None:
        with torch.inference_mode(inference):
            work(part)

    with ThreadPoolExecutor(max(1, min(torch.get_num_threads(), len(parts)))) as threads:
        for _ in threads.map(call, parts):
            pass


def small_bands(height: int, width: int, device: torch.device) -> list[slice]:
    """The rows of a picture in parts of at most GRAIN pixels; all together on a device that computes on all of them at once."""
    step = max(1, GRAIN // width) if device.type == "cpu" else height
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]
