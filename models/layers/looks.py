"""The colours of a person, of the upper and of the lower half.

Letters: h and w small pixels.
"""

import numpy as np

BINS = 6  # of each colour
HALVES = 2


class Looks:
    """How often each colour was seen on a person."""

    def __init__(self):
        self.counts = np.zeros((HALVES, BINS**3))

    def add(self, colours: np.ndarray, mask: np.ndarray) -> "Looks":
        """Counts the colours (h, w, 3) of a mask (h, w)."""
        self.counts += histogram(colours, mask)
        return self

    def difference(self, colours: np.ndarray, mask: np.ndarray) -> float:
        """From 0, the same colours, to 1, none in common."""
        one, other = (counts / max(counts.sum(), 1e-9) for counts in (self.counts, histogram(colours, mask)))
        return float(1 - np.minimum(one, other).sum())


def histogram(colours: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(2, B) how often each colour is in the upper and in the lower half of a mask (h, w), as shares of its pixels."""
    rows, columns = mask.nonzero()
    out = np.zeros((HALVES, BINS**3))
    if len(rows):
        pixels = (colours[rows, columns].clip(0, 1) * (BINS - 1e-3)).astype(int) @ (BINS**2, BINS, 1)
        lower = rows > (rows.min() + rows.max()) / 2
        for half in range(HALVES):
            out[half] = np.bincount(pixels[lower == half], minlength=BINS**3)
    return out / max(len(rows), 1)
