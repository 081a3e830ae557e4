"""The colours of one picture matched to those of another: for each a gain and an offset that change evenly over a box.

A change of exposure is a gain; haze, clouds and a camera's own processing add an offset and are stronger on one side. The
fit is robust: shadows, leaves and whatever else differs in less than half of the places do not count.
Letters: h and w pixels of a box, P places in it, C colours and, last, nearness.
"""

from dataclasses import dataclass

import numpy as np

from ..opencv import import_cv2

MOST, FEWEST = 3000, 40  # places that a fit uses, and that it needs
CLIPPED = (0.008, 0.985)  # beyond these a colour does not change with the exposure
ROUNDS = 8  # of weights that fall with the error
FINEST = 0.5 / 255  # of the errors of a fit
OUTLIER = 2.4  # times the usual error: from there on a place counts less than a quarter
ALIKE = 16  # neighbouring places err together, so many count as one
# What is expected without places to tell: no change, and how far from it each number usually is.
EXPECTED = np.array([1, 0, 0, 0, 0, 0.0])
USUAL = np.array([0.5, 0.15, 0.15, 0.05, 0.03, 0.03])
UNCHANGED = 0.25 / 255  # a change that is smaller everywhere is none
BETTER = 0.25  # of the error without it: what helps less is no change of light but a frame that is not quite in place
GAINS = (0.2, 5.0)


@dataclass(frozen=True)
class ColourMatch:
    """Gain and offset of each colour, (3, 3) each: in the middle of the box, and what is added towards its right and lower side."""

    gain: np.ndarray
    offset: np.ndarray

    def apply(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(P, C) values at places (P, 2), with their first three matched."""
        across, down = places[:, :1], places[:, 1:]
        at = lambda field: (field[:, 0] + across * field[:, 1] + down * field[:, 2]).astype(np.float32)
        out = values.copy()
        out[:, :3] *= at(self.gain).clip(*GAINS)
        out[:, :3] += at(self.offset)
        return out.clip(np.minimum(values, 0), np.maximum(values, 1))


def box_places(height: int, width: int) -> np.ndarray:
    """(h, w, 2) the places of pixels in a box: across and down, from -1 to 1."""
    across, down = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1 for size in (width, height))
    return np.stack(np.broadcast_arrays(across[None], down[:, None]), -1)


def shrink_picture(picture: np.ndarray, side: int) -> np.ndarray:
    """(h, w, C) to the means of squares of `side` pixels, so that noise and small shifts do not count."""
    height, width = (max(1, size // side) for size in picture.shape[:2])
    return import_cv2().resize(picture, (width, height), interpolation=import_cv2().INTER_AREA)


def shrink_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """(h, w) bool to the squares of `side` pixels that lie in it as a whole."""
    return shrink_picture(mask.astype(np.uint8) * 255, side) == 255


def match_colours(start: np.ndarray, end: np.ndarray, where: np.ndarray) -> ColourMatch | None:
    """The change from one small picture (h, w, C) to another, fitted where (h, w); None where there is none to see."""
    rows, columns = where.nonzero()
    if len(rows) < FEWEST:
        return None
    some = slice(None, None, max(1, len(rows) // MOST))
    rows, columns = rows[some], columns[some]
    places = box_places(*where.shape)[rows, columns].astype(np.float64)
    before, after = (picture[rows, columns, :3].astype(np.float64) for picture in (start, end))
    fits = np.stack([fit_colour(before[:, c], after[:, c], places) for c in range(3)])
    match = ColourMatch(fits[:, :3], fits[:, 3:])
    matched = match.apply(before.astype(np.float32), places.astype(np.float32))
    errors = [np.median(np.abs(after - one).mean(-1)) for one in (before, matched)]
    return match if errors[1] < BETTER * errors[0] and np.abs(matched - before).max() > UNCHANGED else None


def fit_colour(before: np.ndarray, after: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(6,) gain and offset in the middle, across and down, that bring a colour (P,) to another at places (P, 2)."""
    visible = (before > CLIPPED[0]) & (after > CLIPPED[0]) & (before < CLIPPED[1]) & (after < CLIPPED[1])
    if visible.sum() < FEWEST:
        return EXPECTED
    before, after, places = before[visible], after[visible], places[visible]
    basis = np.concatenate((np.ones((len(places), 1)), places), 1)
    basis = np.concatenate((basis * before[:, None], basis), 1)
    fit = np.append(np.median(after / before), np.zeros(5))
    for _ in range(ROUNDS):
        errors = np.abs(after - basis @ fit)
        usual = max(1.48 * np.median(errors), FINEST)
        weights = 1 / np.square(1 + np.square(errors / (OUTLIER * usual))) / (usual**2 * ALIKE)
        weighted = basis * weights[:, None]
        fit = np.linalg.solve(weighted.T @ basis + np.diag(USUAL**-2.0), weighted.T @ after + EXPECTED * USUAL**-2.0)
    return fit
