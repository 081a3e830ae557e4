"""How much a clip flickers beside its motion, and how much of that the clip had before an edit.

A soft clip flickers less than a sharp one, since what is moved by a part of a pixel changes less. So an edit is measured
by what it adds to the original's own changes, and its sharpness is named beside it.
Letters: F frames, P = F - 1 pairs of neighbours, H and W pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..flow.estimate import LUMA, changes_along
from ..flow.frames import Report, silent


class Flicker(NamedTuple):
    """Errors (P, H, W) between each frame and the next one warped back, and where the motion is trusted, bool (P, H, W)."""

    error: Tensor  # of the clip
    original_error: Tensor | None  # of the original
    added_error: Tensor | None  # between what changes in the clip and what changes in the original
    trusted: Tensor


def measure_flicker(images: Tensor, motion: Tensor, original: Tensor | None = None, report: Report = silent) -> Flicker:
    """The flicker of a clip along the motion of another, all (F, H, W, 3)."""
    clips = [images] if original is None else [images, original]
    parts = []
    for changes, trusted in changes_along(clips, motion):
        own = changes[0]
        errors = [change.abs().mean(-1) for change in changes]
        added = [(own - changes[1].to(own.device)).abs().mean(-1)] if original is not None else []
        parts.append([*errors, *added, trusted.to(images.device)])
        report(len(parts))
    stacked = [torch.stack(part) for part in zip(*parts, strict=True)]
    return Flicker(*stacked) if original is not None else Flicker(stacked[0], None, None, stacked[1])


def sharpness_ratio(images: Tensor, original: Tensor, counted: Tensor) -> float:
    """The steps of brightness between neighbouring pixels, as a share of the original's, where bool (F, H, W) counts.

    An original without any steps has no sharpness that could be lost, so 1.
    """
    mine, theirs = (sum(map(steps, clip, counted)) for clip in (images, original))
    return mine / theirs if theirs > 0 else 1.0


def steps(picture: Tensor, counted: Tensor) -> float:
    """The sum of the steps between pixels of (H, W, 3) beside and below each other that both count, (H, W)."""
    luma = (picture.float() * picture.new_tensor(LUMA, dtype=torch.float32)).sum(-1)
    both = ((counted[:, 1:] & counted[:, :-1], luma.diff(dim=1)), (counted[1:] & counted[:-1], luma.diff(dim=0)))
    return sum(step.abs()[pair].double().sum().item() for pair, step in both)
