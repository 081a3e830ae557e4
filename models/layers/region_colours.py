"""The colours of painted regions, found over a whole clip: even areas count, the mixed colours of edges do not.

Colours are in 0..1, distances between them in percent of that from black to white. Letters: N frames, H and W pixels,
K colours.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from ..opencv import import_cv2

LEVELS = 32  # per channel, of the histogram that colours are found in
EVEN = 6.0  # percent by which a channel may change around a pixel of an even area
MEDIAN = 5  # pixels of the median that removes noise and keeps edges
MOST = 32  # colours that painted regions have at most
WHITE = 100 / 3**0.5  # percent of a distance of 1


def cleaned(frame: Tensor) -> np.ndarray:
    """(H, W, 3) in 0..1 to (H, W, 3) bytes without noise."""
    colours = (frame.clamp(0, 1) * 255).round().byte().cpu().numpy()
    return import_cv2().medianBlur(np.ascontiguousarray(colours), MEDIAN)


def even_pixels(colours: np.ndarray) -> np.ndarray:
    """(H, W, 3) bytes to (H, W) bool: no channel changes around it."""
    cv2, around = import_cv2(), np.ones((3, 3), np.uint8)
    change = cv2.dilate(colours, around).astype(np.int16) - cv2.erode(colours, around)
    return change.max(-1) <= EVEN * 2.55


def region_colours(images: Tensor, difference: float, smallest: float, report: Callable[[int], None]) -> np.ndarray:
    """The (K, 3) colours of even areas in (N, H, W, 3), the most frequent first, `difference` percent apart at least.

    Each covers `smallest` of a picture in at least one frame.
    """
    counts, most = np.zeros(LEVELS**3), np.zeros(LEVELS**3)
    sums = np.zeros((LEVELS**3, 3))
    for index, frame in enumerate(images):
        colours = cleaned(frame)
        pixels = colours[even_pixels(colours)]
        cell = (pixels.astype(int) * LEVELS // 256) @ (LEVELS**2, LEVELS, 1)
        here = np.bincount(cell, minlength=LEVELS**3)
        counts += here
        most = np.maximum(most, here / colours[..., 0].size)
        for channel in range(3):
            sums[:, channel] += np.bincount(cell, pixels[:, channel] / 255, LEVELS**3)
        report(index + 1)
    used = counts.nonzero()[0]
    return clusters(sums[used] / counts[used, None], counts[used], most[used], difference, smallest)


def clusters(
    colours: np.ndarray, counts: np.ndarray, most: np.ndarray, difference: float, smallest: float
) -> np.ndarray:
    """(B, 3) colours with how often they occur, and most in one frame, to the (K, 3) middles of what lies together."""
    found, free = [], np.ones(len(counts), bool)
    while free.any() and len(found) <= MOST:
        middle = colours[np.where(free, counts, -1).argmax()]
        for _ in range(3):
            near = free & (percent(colours, middle) < difference)
            if near.any():
                middle = np.average(colours[near], 0, counts[near])
        near |= free & (percent(colours, colours[np.where(free, counts, -1).argmax()]) < difference / 2)
        free &= ~near
        if most[near].sum() >= smallest and all(percent(middle, other) >= difference for other in found):
            found.append(middle)
    return np.array(found).reshape(-1, 3)


def percent(colours: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(..., 3) colours to their (...) distances from another."""
    return np.linalg.norm(colours - other, axis=-1) * WHITE
