"""Memory that a node needs for a clip, asked for before anything is filled.

Letters: N frames, H and W pixels.
"""

from torch import Tensor

ADVICE = "use fewer or smaller frames"


def check_clip_memory(node: str, images: Tensor, numbers: float, advice: str = ADVICE) -> None:
    """Refuses a clip (N, H, W, ...) where a node that holds so many float32 numbers for each of its pixels has no room."""
    if not isinstance(images, Tensor) or images.ndim < 3:
        return  # the check of the input says what is wrong with it
    colours = 3 if images.ndim == 4 and not images.dtype.is_floating_point or images.element_size() != 4 else 0
    check_frames_memory(node, len(images), tuple(images.shape[1:3]), numbers + colours, advice)


def check_frames_memory(
    node: str, frames: int, size: tuple[int, int], numbers: float, advice: str = ADVICE, for_one: float = 0.0
) -> None:
    """Refuses frames of (H, W) that a node has no room for, with so many float32 numbers a pixel, and `for_one` of one frame."""
    from ..host.memory import bytes_of, check_memory

    needed = bytes_of(frames, *size, copies=numbers) + bytes_of(*size, copies=for_one)
    check_memory(needed, f"{node} with {frames} frames of {size[1]} x {size[0]}", advice)
