"""The strokes in a picture of a skeleton: which of the 18 colours a pixel has, and the connected pieces of each colour.

Limb i and joint i share colour i. Letters: H and W pixels, K colours, P pixels of a stroke.
"""

from dataclasses import dataclass

import numpy as np

from ..opencv import import_cv2
from .drawing import COLOURS

KINDS = len(COLOURS)
WEAK = 0.22  # from a pixel's darkest to its brightest channel, 0 to 1: less is background, white or grey
SMALLEST = 3  # pixels of a stroke
LONG = 1.7  # times its width: a stroke is a limb then, else a joint


@dataclass
class Stroke:
    """One connected piece of one colour."""

    places: np.ndarray  # (P, 2) x, y
    middle: np.ndarray  # (2,)
    ends: np.ndarray  # (2, 2)
    half_width: float

    @property
    def is_long(self) -> bool:
        return np.linalg.norm(self.ends[1] - self.ends[0]) > LONG * 2 * self.half_width


def colour_numbers(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) in 0..1 to the (H, W) number of the nearest of the 18 hues, -1 where there is no colour."""
    high, low = picture.max(-1), picture.min(-1)
    chroma = high - low
    safe = np.maximum(chroma, 1e-6)
    red, green, blue = np.moveaxis(picture, -1, 0)
    hue = np.where(
        high == red, (green - blue) / safe, np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4)
    )
    number = np.round((hue % 6) * KINDS / 6).astype(int) % KINDS
    return np.where(chroma > WEAK, number, -1)


def strokes_of(numbers: np.ndarray) -> list[list[Stroke]]:
    """(H, W) numbers to the strokes of each colour, the largest first."""
    return [pieces(numbers == number) for number in range(KINDS)]


def pieces(mask: np.ndarray) -> list[Stroke]:
    """The connected pieces of a mask (H, W)."""
    labels, stats = import_cv2().connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[1:3]
    rows, columns = mask.nonzero()
    order = np.argsort(labels[rows, columns], kind="stable")
    places = np.column_stack((columns, rows))[order].astype(float)
    found = [stroke(part) for part in np.split(places, np.cumsum(stats[1:-1, 4])) if len(part) >= SMALLEST]
    return sorted(found, key=lambda one: -len(one.places))


def stroke(places: np.ndarray) -> Stroke:
    """The axis and the ends of (P, 2) places."""
    middle = places.mean(0)
    spread, axes = np.linalg.eigh(np.cov((places - middle).T, bias=True) + np.eye(2) / 12)
    along = (places - middle) @ axes[:, 1]
    ends = middle + np.outer((along.min(), along.max()), axes[:, 1])
    return Stroke(places, middle, ends, 2 * np.sqrt(spread[0]))
