"""Numbers that several measurements share.

Letters: N frames, H and W pixels.
"""

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def decibels(images: Tensor, reference: Callable[[int], Tensor], where: np.ndarray) -> float | None:
    """PSNR of (N, H, W, 3) against a reference frame (H, W, 3) for each index, at the True places of (N, H, W)."""
    square, count = 0.0, 0
    for index, here in enumerate(where):
        if here.any():
            error = (images[index] - reference(index))[torch.from_numpy(here)].double()
            square, count = square + error.square().sum().item(), count + error.numel()
    return None if not count else -10 * math.log10(max(square / count, 1e-10))


def changed_pixels(images: Tensor, original: Tensor, where: np.ndarray) -> tuple[list[int], float]:
    """How many pixels of each frame differ at the True places of (N, H, W), and the largest difference."""
    counts, largest = [], 0.0
    for one, other, here in zip(images, original, where, strict=True):
        error = (one - other).abs().amax(-1)[torch.from_numpy(here)]
        counts.append(int((error > 0).sum()))
        largest = max(largest, error.max().item() if len(error) else 0.0)
    return counts, largest


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two bool arrays."""
    return float((one & other).sum() / max(1, (one | other).sum()))


class CpuSeconds:
    """Seconds of all threads of this process while it is open."""

    def __enter__(self) -> "CpuSeconds":
        self.begin = time.process_time()
        return self

    def __exit__(self, *error) -> None:
        self.seconds = time.process_time() - self.begin
