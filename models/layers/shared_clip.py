"""A clip that shares the memory of another one as long as their frames are equal, and takes none where it is 0.

What a node returns stays in the host's memory as long as the graph does. A clip that did not change, a mask that came as
an input and planes of one number are returned without a copy; a layer takes memory about where it is visible.
Letters: N frames, H and W pixels.
"""

import mmap
from math import prod

import torch
from torch import Tensor

from .inpaint import bounding_box


class SharedClip:
    """Frames written one after the other; memory is taken at the first one that differs from the source."""

    def __init__(self, source: Tensor):
        self.source = source
        self.own: Tensor | None = None

    def write(self, index: int, frame: Tensor) -> None:
        """The next frame."""
        if self.own is None:
            if torch.equal(frame, self.source[index]):
                return
            self.own = frame.new_empty(self.source.shape)
            self.own[:index] = self.source[:index]
        self.own[index] = frame

    def clip(self) -> Tensor:
        """All frames; those that were not written are the source's."""
        return self.source if self.own is None else self.own


class SparseClip(SharedClip):
    """A clip (N, H, W) or (N, H, W, C) of zeros, written where a frame is not 0."""

    def __init__(self, *shape: int):
        super().__init__(constant(0.0, *shape))

    def write(self, index: int, frame: Tensor) -> None:
        visible = frame != 0 if frame.ndim == 2 else (frame != 0).any(-1)
        if not visible.any():
            return
        if self.own is None:
            self.own = zeros_on_demand(*self.source.shape)
        box = bounding_box(visible, 0)
        self.own[index][box] = frame[box]


def constant(value: float, *shape: int) -> Tensor:
    """A clip of one number that takes no memory."""
    return torch.tensor(value).expand(*shape)


def zeros_on_demand(*shape: int) -> Tensor:
    """Zeros for which the system takes memory page by page, where they are written."""
    own = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    return torch.frombuffer(mmap.mmap(-1, 4 * prod(shape), **own), dtype=torch.float32).view(shape)


def shared_with(source: Tensor | None, *shape: int) -> SharedClip:
    """A clip of a shape that may be equal to a source of float32 numbers, else one of zeros."""
    fits = source is not None and tuple(source.shape) == shape and source.dtype == torch.float32
    return SharedClip(source) if fits else SparseClip(*shape)
