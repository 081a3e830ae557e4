"""Long clips frame by frame: results are written in place, so that no frame is held twice."""

from collections.abc import Callable

from torch import Tensor

Report = Callable[[int], None]


def silent(done: int) -> None:
    """No report."""


def frame_by_frame(
    compute: Callable[[int], tuple[Tensor, ...]], frames: int, report: Report = silent
) -> tuple[Tensor, ...]:
    """The tensors that compute(i) gives for frame i, of all frames: (N, ...) each."""
    out = ()
    for i in range(frames):
        parts = compute(i)
        out = out or tuple(part.new_empty(frames, *part.shape) for part in parts)
        for whole, part in zip(out, parts, strict=True):
            whole[i] = part
        report(i + 1)
    return out
