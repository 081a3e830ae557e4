"""The connected pieces of a mask on few pixels, and what is near them.

Letters: H and W pixels, h and w the small pixels, each a square of `step` pixels.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..opencv import import_cv2

NEAR = 0.04  # of the shorter side: pixels of the mask that are farther away from every piece belong to no person


@dataclass(frozen=True)
class Piece:
    mask: np.ndarray  # (h, w) bool
    area: int
    centre: np.ndarray  # (2,) in rows and columns

    def share_on(self, outline: np.ndarray) -> float:
        """Of the smaller one of the piece and an outline (h, w), how much lies on both."""
        return float((self.mask & outline).sum() / max(min(self.area, outline.sum()), 1))

    def distance(self, place: np.ndarray) -> float:
        """Small pixels from its centre to a place (2,)."""
        return float(np.linalg.norm(self.centre - place))

    def gap(self, other: "Piece") -> float:
        """Small pixels between the piece and another one."""
        far = import_cv2().distanceTransform((~other.mask).astype(np.uint8), import_cv2().DIST_L2, 5)
        return float(far[self.mask].min())


def shrink(mask: Tensor, step: int) -> np.ndarray:
    """(H, W) to the largest value in each square."""
    plane = mask.float().numpy()
    whole = np.pad(plane, [(0, -size % step) for size in plane.shape])
    return whole.reshape(whole.shape[0] // step, step, -1, step).max((1, 3))


def find_pieces(mask: Tensor, step: int, min_area: float) -> list[Piece]:
    """The pieces of a mask (H, W) in 0..1 that cover `min_area` of the picture at least."""
    small = (shrink(mask, step) > 0.5).astype(np.uint8)
    count, labels, stats, centres = import_cv2().connectedComponentsWithStats(small, connectivity=8)
    kept = [k for k in range(1, count) if stats[k, -1] >= max(1, min_area * small.size)]
    return [Piece(labels == k, int(stats[k, -1]), centres[k, ::-1].copy()) for k in kept]


def nearest_label(labels: np.ndarray, mask: Tensor, step: int) -> np.ndarray:
    """(h, w) the labels of the pieces, and beside them, where a mask (H, W) goes on softly, that of the nearest one."""
    cv2, there = import_cv2(), shrink(mask, step) > 0
    if not labels.any():
        return np.zeros(there.shape, np.int32)
    free = (labels == 0).astype(np.uint8)
    far, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(nearest.max() + 1, np.int32)
    numbers[nearest[free == 0]] = labels[free == 0]
    close = far <= max(2, NEAR * min(there.shape))
    return np.where(there & close, numbers[nearest], 0)
