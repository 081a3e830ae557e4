"""Memory that a node needs for a clip, asked for before anything is filled.

Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

ADVICE = "use fewer or smaller frames"


def check_clip_memory(node: str, images: Tensor, numbers: float, for_one: float = 16, advice: str = ADVICE) -> None:
    """Refuses a clip (N, H, W, ...) for which a node has no room.

    It holds so many float32 numbers for each pixel, and `for_one` for each of the one frame that it works on.
    """
    if isinstance(images, Tensor) and images.ndim in (3, 4):  # else the check of the input says what is wrong with it
        colours = 3 if images.ndim == 4 and images.dtype != torch.float32 else 0
        check_frames_memory(node, len(images), tuple(images.shape[1:3]), numbers + colours, for_one, advice)


def check_frames_memory(
    node: str, frames: int, size: tuple[int, int], numbers: float, for_one: float = 16, advice: str = ADVICE
) -> None:
    """Refuses frames of (H, W) for which a node has no room, by the numbers of check_clip_memory()."""
    from ..host.memory import bytes_of, check_memory

    needed = bytes_of(frames, *size, copies=numbers) + bytes_of(*size, copies=for_one)
    check_memory(needed, f"{node} with {frames} frames of {size[1]} x {size[0]}", advice)
