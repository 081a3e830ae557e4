"""The motion of a scene of any depth between two pictures: a homography, and more of a shift the nearer a place is.

A pinhole camera that turns and travels takes a place (x, y, 1) to H (x, y, 1) + nearness * e. A scale and a shift of
nearness, which estimated depth has in every frame, only change e and H: both are fitted to the brightness of the pixels
that two pictures share. Letters: P pixels, h and w pixels of the pictures.
"""

from dataclasses import dataclass

import numpy as np

from ..opencv import import_cv2

LEAST, MOST = 200, 4000  # pixels that are compared; the fit has 11 numbers
CLEAR = 0.5  # bytes from pixel to pixel: where the picture changes less, motion is not seen
BLOCK = 8  # pixels of the squares, every second of which tests what the others give
BETTER = 0.95  # of the difference that a homography leaves is what depth must leave at most, on the squares that test
BLURS = (3.0, 3.0, 3.0, 1.0, 1.0, 1.0)  # pixels; one step of the fit each, rough ones first
SEARCH = 4  # steps to the place that is seen at a pixel
SETTLED = 0.25  # pixels that the last of them moves at most
NOISE = 2.0  # bytes that a pixel may differ before it counts less
RIDGE = (1e-6, 1e-4)  # against steps of H, and of e, which nearness of a single plane leaves open


@dataclass(frozen=True)
class Parallax:
    """Where the places of one picture are in another."""

    matrix: np.ndarray  # (3, 4) H and e: (x, y, 1, nearness) to the other place

    def back(self, places: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, 2) where places (h, w, 2) of the other picture lie in the first, of nearness (H, W), and where one is found.

        With z = H^-1 (x, y, 1) and f = H^-1 e it is z + nearness (f_3 z - f), with the nearness found there.
        """
        inverse = np.linalg.inv(self.matrix[:, :3])
        flat = moved_places(places, inverse)
        shift = (inverse @ self.matrix[:, 3]).astype(np.float32)
        slope = shift[2] * flat - shift[:2]
        now = before = flat
        for _ in range(SEARCH if shift.any() else 0):
            before, now = now, flat + sample(near, now)[..., None] * slope
        return now, np.abs(now - before).max(-1) < SETTLED


class Comparison:
    """Two grey pictures (h, w) of bytes, seen both where common (h, w) is true, and the nearness (h, w) of the first one."""

    def __init__(self, first: np.ndarray, second: np.ndarray, near: np.ndarray, common: np.ndarray):
        self.near, self.size = near, second.shape
        self.first, self.second = ({blur: smooth(picture, blur) for blur in set(BLURS)} for picture in (first, second))
        self.known = import_cv2().erode(common.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        self.slopes = {blur: slopes(picture) for blur, picture in self.second.items()}
        across, down = self.slopes[BLURS[-1]]
        rows, columns = (self.known & (np.hypot(across, down) > CLEAR)).nonzero()
        kept = slice(None, None, -(-len(rows) // MOST) or 1)
        self.pixels = np.stack((columns[kept], rows[kept]), -1).astype(np.float32)
        values = sample(near, self.pixels[None]) if len(rows) else np.zeros(1, np.float32)
        self.near_range = float(np.median(values)), float(values.std())
        self.testing = (rows[kept] // BLOCK + columns[kept] // BLOCK) % 2 == 1

    def motion(self, homography: np.ndarray) -> Parallax | None:
        """What takes the first picture to the second, near a homography; None where one without depth is as good."""
        if self.testing.sum() < LEAST or (~self.testing).sum() < LEAST or not self.near_range[1] > 1e-9:
            return None
        start = Parallax(np.column_stack((homography, np.zeros(3))))
        flat, deep = (self.fit(start, ~self.testing, by_depth) for by_depth in (False, True))
        if deep is None or flat is None or not self.difference(deep) < BETTER * self.difference(flat):
            return None
        return self.fit(start, np.ones_like(self.testing), True)

    def fit(self, start: Parallax, used: np.ndarray, by_depth: bool) -> Parallax | None:
        """The motion that makes the pixels used (P,) most alike, from a first guess; None where it cannot be found."""
        scale, middle = max(self.size) / 2, np.array(self.size[::-1], np.float32) / 2
        offset, spread = self.near_range
        outer = np.array([[scale, 0, middle[0]], [0, scale, middle[1]], [0, 0, 1]])
        inner = np.linalg.inv(np.vstack((np.column_stack((outer, np.zeros(3))), [0, 0, offset, spread])))
        matrix = np.linalg.inv(outer) @ start.matrix @ np.linalg.inv(inner)
        ridge = np.tile([RIDGE[0]] * 3 + [RIDGE[1]], 3)[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]]
        columns = np.arange(11) if by_depth else np.array([0, 1, 2, 4, 5, 6, 8, 9])
        pixels = self.pixels[used][None]
        for blur in BLURS:
            places, _ = Parallax(outer @ matrix @ inner).back(pixels, self.near)
            rows, error = self.equations(pixels, places, blur, middle, scale, (offset, spread))
            weight = 1 / (1 + (error / max(NOISE, 2 * float(np.median(np.abs(error))))) ** 2)
            rows, pull = rows[:, columns], ridge[columns] * (rows**2).sum() / 11
            step = np.zeros(12)
            step[columns] = np.linalg.solve(
                rows.T @ (weight[:, None] * rows) + np.diag(pull), rows.T @ (weight * error)
            )
            step[[10, 11]] = 0, step[10]
            matrix = matrix / matrix[2, 2] + step.reshape(3, 4)
            if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :3])) < 0.1:
                return None
        return Parallax(outer @ matrix @ inner)

    def equations(self, pixels, places, blur, middle, scale, near_range) -> tuple[np.ndarray, np.ndarray]:
        """(P, 11) and (P,): linear equations for a step of the matrix from the brightness of pixels (1, P, 2) at their places."""
        second = self.second[blur]
        across, down = (sample(plane, pixels)[0] for plane in self.slopes[blur])
        error = (sample(self.first[blur], places) - sample(second, pixels))[0]
        start, end = ((array[0] - middle) / scale for array in (places, pixels))
        near = (sample(self.near, places)[0] - near_range[0]) / near_range[1]
        full = np.column_stack((start, np.ones(len(near)), near)).astype(np.float64)
        back = -(across * end[:, 0] + down * end[:, 1])[:, None] * full[:, [0, 1, 3]]
        return np.hstack((across[:, None] * full, down[:, None] * full, back)) * scale, error.astype(np.float64)

    def difference(self, motion: Parallax) -> float:
        """The mean difference in bytes of the pixels that test."""
        pixels, blur = self.pixels[self.testing][None], BLURS[-1]
        places, _ = motion.back(pixels, self.near)
        error = sample(self.first[blur], places) - sample(self.second[blur], pixels)
        return float(np.minimum(np.abs(error), 30).mean())


def smooth(picture: np.ndarray, blur: float) -> np.ndarray:
    return import_cv2().GaussianBlur(picture.astype(np.float32), (0, 0), blur)


def slopes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) by how much a picture (h, w) changes from pixel to pixel, across and down."""
    cv2 = import_cv2()
    return tuple(cv2.Sobel(picture, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))


def scene_nearness(near: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(h, w) nearness with less noise, in which what hides the scene (not visible, h w) does not count near the scene."""
    weight = visible.astype(np.float32)
    share = smooth(weight, 1.5)
    return np.where(share > 0.01, smooth(near * weight, 1.5) / np.maximum(share, 0.01), near).astype(np.float32)


def moved_places(places: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Places (h, w, 2) by a homography."""
    cv2 = import_cv2()
    return cv2.perspectiveTransform(places.reshape(-1, 1, 2).astype(np.float32), homography).reshape(places.shape)


def pixel_places(size: tuple[int, int]) -> np.ndarray:
    """(h, w, 2) the places of all pixels."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.dstack((x, y)).astype(np.float32)


def sample(plane: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) at places (h, w, 2); outside, the border is repeated."""
    cv2, places = import_cv2(), np.ascontiguousarray(places, np.float32)
    return cv2.remap(plane, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def shown_at(visible: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(h, w) bool: all of a pixel at places (h, w, 2) comes from where seen (H, W) is true."""
    cv2, places = import_cv2(), np.ascontiguousarray(places, np.float32)
    return cv2.remap(visible.astype(np.uint8) * 255, places, None, cv2.INTER_LINEAR) > 254
