"""The scene under a camera that moves: each hole from other frames, warped to it by the camera's motion.

What no frame shows comes from what the frame before was filled with, so that a guess does not flicker.
Letters: h and w pixels of a box, P pixels of its hole, C colours and, last, nearness.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .align import Around, warp_part
from .inpaint import inpaint
from .other_frames import ENOUGH_VIEWS, choose_frames
from .patches import Filled, Patch, Target, patches
from .scene_frames import SceneFrames


class MovingCamera:
    """Frames filled one after the other; steps (N - 1) are the homographies from each to the next, or None."""

    def __init__(self, source: SceneFrames, steps: list):
        self.source, self.steps = source, steps
        self.last: list[Filled] = []  # of the frame before

    def __call__(self, index: int, fill: Tensor | None) -> Iterator[Filled]:
        """The patches of a frame; a fill picture (H, W, 3) is for what no frame shows."""
        last, self.last = self.last, []
        for patch in patches(self.source.hole(index).numpy(), self.source.reach):
            filled = self.fill_patch(index, patch, last, fill)
            self.last.append(filled)
            yield filled

    def fill_patch(self, index: int, patch: Patch, last: list[Filled], fill: Tensor | None) -> Filled:
        own = self.source.part(index, patch.box)
        target = Target(own, patch, self.source.layers.size)
        values, count = self.from_others(index, target)
        picture, views = own.copy(), np.zeros(patch.size, np.float32)
        picture[patch.hole], views[patch.hole] = values, count
        missing = patch.hole & (views == 0)
        if missing.any() and fill is None:
            missing &= ~self.from_last(index, target, last, picture, missing)
        if missing.any():
            own_fill = None if fill is None else fill[patch.box]
            picture = inpaint(torch.from_numpy(picture), torch.from_numpy(missing), own_fill).numpy()
        return Filled(patch, picture, views)

    def from_others(self, index: int, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """(P, C) the middle of what other frames show in the hole, and how many show each pixel (P,)."""
        hole = target.patch.hole
        shown, count = np.zeros((ENOUGH_VIEWS, hole.sum(), self.source.channels), np.float32), np.zeros(hole.sum(), int)
        around = Around(target)
        for other in choose_frames(self.source, index, target.patch, self.steps):
            picture, visible = around.bring(self.source, other)
            useful = (visible[hole] & (count < ENOUGH_VIEWS)).nonzero()[0]
            if len(useful):
                shown[count[useful], useful] = target.bring(picture, visible)[useful]
                count[useful] += 1
        return middle_of_few(shown, count), count

    def from_last(
        self, index: int, target: Target, last: list[Filled], picture: np.ndarray, missing: np.ndarray
    ) -> np.ndarray:
        """Fills, in place, what is missing (h, w) in a picture (h, w, C) from the frame before; where it could."""
        step, found = (self.steps[index - 1] if index else None), np.zeros(missing.shape, bool)
        for filled in last if step is not None else ():
            known = filled.patch.hole | filled.patch.around
            moved, inside = warp_part(filled.picture, known, step, filled.patch.box, target.patch.box)
            if (inside & missing).any():
                changed = picture.copy()
                changed[target.patch.hole] = target.bring(moved, inside)
                use = inside & missing & ~found
                picture[use] = changed[use]
                found |= use
        return found


def middle_of_few(shown: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(P, C) the median of the first `count` (P,) of three values (3, P, C): of two their mean, 0 of none."""
    first, second, third = shown
    median = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))
    few = count[:, None]
    return np.where(few == 1, first, np.where(few == 2, (first + second) / 2, np.where(few == 0, 0, median)))
