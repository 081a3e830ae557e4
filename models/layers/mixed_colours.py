"""Colours that are only mixtures of two others, such as the rims that an encoder leaves around painted regions.

Letters: N frames, H and W pixels, K colours.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from ..opencv import import_cv2
from .region_colours import cleaned, percent

THIN = 11.0  # pixels from the edge of an area to its middle: an encoder mixes no wider ones
BETWEEN = (0.12, 0.88)  # shares of the two others in a mixture
BESIDE = 0.6  # of the least difference of colours: how far a mixture may lie beside the line between the two


def without_mixtures(
    images: Tensor, colours: np.ndarray, difference: float, look: Callable[[], None] = lambda: None
) -> np.ndarray:
    """The (K, 3) colours in (N, H, W, 3) without those that lie between two others and cover thin areas alone.

    `look` is called for each frame, so that the search can be stopped.
    """
    between = [is_between(index, colours, difference * BESIDE) for index in range(len(colours))]
    if not any(between):
        return colours
    widest = np.zeros(len(colours))
    for frame in images:
        widest = np.maximum(widest, half_widths(cleaned(frame), colours))
        look()
    return colours[[not (mixed and width < THIN) for mixed, width in zip(between, widest, strict=True)]]


def is_between(index: int, colours: np.ndarray, beside: float) -> bool:
    """Whether a colour lies between two of the others, at most `beside` percent from the line between them."""
    others = np.delete(colours, index, 0)
    for first, start in enumerate(others):
        for end in others[first + 1 :]:
            line = end - start
            share = (colours[index] - start) @ line / (line @ line)
            if BETWEEN[0] < share < BETWEEN[1] and percent(colours[index], start + share * line) < beside:
                return True
    return False


def half_widths(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(K,) pixels from the edge to the middle of the widest area of each colour in (H, W, 3) bytes."""
    cv2 = import_cv2()
    nearest = np.stack([percent(picture / 255, colour) for colour in colours]).argmin(0)
    inside = [np.pad((nearest == k).astype(np.uint8), 1, constant_values=1) for k in range(len(colours))]
    return np.array(
        [cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1].max() if mask[1:-1].any() else 0.0 for mask in inside]
    )
