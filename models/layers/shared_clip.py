"""A clip that shares the memory of another one as long as their frames are equal.

What a node returns stays in the host's memory as long as the graph does: a clip that did not change, a mask that came as
an input and planes of one number are returned without a copy.
Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor


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


def constant(value: float, *shape: int) -> Tensor:
    """A clip of one number that takes no memory."""
    return torch.tensor(value).expand(*shape)


def shared_with(source: Tensor | None, *shape: int) -> SharedClip:
    """A clip of a shape that may be equal to a source of float32 numbers, else to zeros."""
    fits = source is not None and tuple(source.shape) == shape and source.dtype == torch.float32
    return SharedClip(source if fits else constant(0.0, *shape))
