"""Where the whole subject is in each frame while something passes in front of it.

A side of the subject that ends at what is in front is not its end. Its size is then that of frames in which both sides are
visible, measured from the side that is.
Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..character.interpolate import interpolate_gaps

REACH = 0.01  # of the shorter side: gaps between the masks of the subject and of what is in front of it
MOSTLY = 0.5  # of the outermost pixels of a side that are next to what is in front, for a side that is hidden
AXES = ((0, 2), (1, 3))  # left and right, top and bottom

MaskOf = Callable[[int], Tensor]


@dataclass(frozen=True)
class Visible:
    """What the masks show: left, top, right, bottom around the visible part, and which of them may be hidden."""

    bounds: Tensor  # (N, 4), NaN in frames without the subject
    hidden: Tensor  # (N, 4) bool

    def whole(self, axis: int) -> Tensor:
        """(N,) bool: both ends of an axis, 0 across and 1 down, are visible."""
        ends = list(AXES[axis])
        return torch.isfinite(self.bounds[:, 0]) & ~self.hidden[:, ends].any(1)


def measure_visible(mask: MaskOf, hidden: MaskOf | None, frames: int) -> Visible:
    """The visible part of a subject by its masks and those of what is in front, each (H, W)."""
    bounds, covered = torch.full((frames, 4), torch.nan), torch.zeros(frames, 4, dtype=torch.bool)
    for index in range(frames):
        here = mask(index) > 0.5
        found = visible_box(here)
        if found is not None:
            bounds[index] = found
        if found is not None and hidden is not None:
            covered[index] = hidden_sides(here, hidden(index) > 0.5)
    if torch.isnan(bounds).all():
        raise ValueError(
            f"subject_mask: expected the subject in at least one of {frames} frames, got only empty masks: check what "
            "creates them."
        )
    return Visible(bounds, covered)


def visible_box(here: Tensor) -> Tensor | None:
    """(4,) left, top, right, bottom around a mask (H, W) bool, or None where it is empty."""
    rows, columns = here.any(1).nonzero()[:, 0], here.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=torch.float32)


def hidden_sides(here: Tensor, front: Tensor) -> Tensor:
    """(4,) bool for left, top, right, bottom of a subject (H, W): its outermost pixels are next to what is in front."""
    reach = max(2, round(REACH * min(here.shape)))
    near = max_pool2d(front[None, None].float(), 2 * reach + 1, 1, reach)[0, 0] > 0.5
    out = []
    for subject, beside in ((here.T, near.T), (here, near)):
        rows = subject.any(1).nonzero()[:, 0]
        for band in (slice(rows[0], rows[0] + reach), slice(rows[-1] + 1 - reach, rows[-1] + 1)):
            band = slice(max(0, int(band.start)), int(band.stop))
            out.append((beside & subject)[band].sum() > MOSTLY * subject[band].sum())
    left, right, top, bottom = out
    return torch.stack((left, top, right, bottom))


def whole_bounds(visible: Visible, heights: Tensor | None = None) -> Tensor:
    """(N, 4) left, top, right, bottom around the whole subject; `heights` (N,) are taken where its ends are hidden."""
    out = torch.empty_like(visible.bounds)
    for axis, (low, high) in enumerate(AXES):
        sizes = heights if axis == 1 else None
        ends = whole_ends(visible.bounds[:, low], visible.bounds[:, high], *visible.hidden[:, [low, high]].T, sizes)
        out[:, low], out[:, high] = ends
    return out


def whole_ends(
    low: Tensor, high: Tensor, low_hidden: Tensor, high_hidden: Tensor, sizes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(N,) ends of one axis with what is hidden, never less than what is visible."""
    visible = torch.isfinite(low)
    whole = visible & ~low_hidden & ~high_hidden
    if sizes is None:
        sizes = interpolate_gaps((high - low).where(whole if whole.any() else visible, torch.nan))
    from_high = torch.minimum(low, high - sizes)
    from_low = torch.maximum(high, low + sizes)
    start = torch.where(low_hidden & ~high_hidden, from_high, low)
    stop = torch.where(high_hidden & ~low_hidden, from_low, high)
    placed = visible & ~(low_hidden & high_hidden)
    middle = interpolate_gaps(((start + stop) / 2).where(placed if placed.any() else visible, torch.nan))
    start = torch.where(placed, start, torch.fmin(start, middle - sizes / 2))
    stop = torch.where(placed, stop, torch.fmax(stop, middle + sizes / 2))
    return start, stop
