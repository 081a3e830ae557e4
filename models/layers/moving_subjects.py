"""What moves, told apart over time: pieces of neighbouring frames that lie on each other are one subject.

Letters: N frames, H and W pixels, h and w those of small masks.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from ..opencv import import_cv2
from .body import decision_step


def keep_largest(masks: Tensor, report: Callable[[], None] = lambda: None) -> None:
    """Leaves in masks (N, H, W), in place, only the subject that covers most of the picture in the course of the clip."""
    step, joined, labels, count = decision_step(tuple(masks.shape[1:])), {}, [], 1
    for mask in masks:
        found = label_pieces(mask.numpy(), step)
        labels.append(np.where(found, found + count - 1, 0))
        count += found.max()
        if len(labels) > 1:
            join(labels[-2], labels[-1], joined)
        report()
    roots = np.array([root(joined, label) for label in range(count)])
    areas = swept_areas(labels, roots)
    if areas.any():
        largest = roots == areas.argmax()
        for mask, pieces in zip(masks, labels, strict=True):
            keep = largest[pieces]
            large = np.repeat(np.repeat(keep, step, 0), step, 1)[: mask.shape[0], : mask.shape[1]]
            mask.mul_(mask.new_tensor(large))
            report()


def label_pieces(mask: np.ndarray, step: int) -> np.ndarray:
    """(h, w) the number of the piece at each place of a mask (H, W), 0 where there is none; a place is `step` pixels wide."""
    cv2 = import_cv2()
    rows, columns = (-size % step for size in mask.shape)
    whole = np.pad(mask, ((0, rows), (0, columns)))
    small = whole.reshape(whole.shape[0] // step, step, -1, step).max((1, 3)).astype(np.uint8)
    return cv2.connectedComponents(small, connectivity=8)[1]


def join(last: np.ndarray, now: np.ndarray, joined: dict[int, int]) -> None:
    """Notes which pieces (h, w) of two neighbouring frames lie on each other."""
    both = (last > 0) & (now > 0)
    for pair in np.unique(np.stack((last[both], now[both])), axis=1).T.tolist():
        low, high = sorted(root(joined, label) for label in pair)
        joined[high] = low


def root(joined: dict[int, int], label: int) -> int:
    """The smallest number of the subject that a piece belongs to."""
    while joined.get(label, label) != label:
        label = joined[label]
    return label


def swept_areas(labels: list[np.ndarray], roots: np.ndarray) -> np.ndarray:
    """The number of places that each subject covers in at least one frame, under its smallest number."""
    covered = {}
    for pieces in labels:
        subjects = roots[pieces]
        for subject in np.unique(subjects[subjects > 0]).tolist():
            covered[subject] = covered.get(subject, False) | (subjects == subject)
    areas = np.zeros(len(roots))
    for subject, places in covered.items():
        areas[subject] = places.sum()
    return areas
