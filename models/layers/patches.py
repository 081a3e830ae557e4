"""A hole of the scene as separate patches, and how a patch is blended into its frame.

Letters: H and W pixels, h and w those of a box, C colours and, last, nearness.
"""

from dataclasses import dataclass

import numpy as np

from ..opencv import import_cv2
from .colours_over_box import ColourMatch, box_places, match_colours, shrink_mask, shrink_picture
from .scene_frames import Box

MOST_PATCHES = 6  # of one frame; more are joined
MATCHED = 160  # pixels of a frame's shorter side on which its colours are matched, at least


@dataclass(frozen=True)
class Patch:
    """A part of a hole that lies alone."""

    box: Box  # with what surrounds the hole
    hole: np.ndarray  # (h, w) bool
    around: np.ndarray  # (h, w) bool: near the hole, and the scene

    @property
    def size(self) -> tuple[int, int]:
        return self.hole.shape

    def places(self) -> np.ndarray:
        """(P, 2) of the pixels of the hole, from -1 to 1 in the box."""
        return box_places(*self.size)[self.hole]


@dataclass(frozen=True)
class Filled:
    """What a patch is filled with."""

    patch: Patch
    picture: np.ndarray  # (h, w, C)
    views: np.ndarray  # (h, w) how many other frames show each pixel


def patches(hole: np.ndarray, reach: int) -> list[Patch]:
    """The parts of a hole (H, W) bool, with what lies up to `reach` pixels around each."""
    if not hole.any():
        return []
    cv2, plane = import_cv2(), hole.astype(np.uint8)
    while True:
        near = cv2.dilate(plane, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
        if count - 1 <= MOST_PATCHES:
            break
        reach *= 2
    found = []
    for number in range(1, count):
        left, top, width, height = stats[number, :4]
        box = (slice(int(top), int(top + height)), slice(int(left), int(left + width)))
        own = labels[box] == number
        found.append(Patch(box, own & hole[box], own & ~hole[box]))
    return found


class Target:
    """The colours around a hole, which what fills it is matched to."""

    def __init__(self, own: np.ndarray, patch: Patch, size: tuple[int, int]):
        self.own, self.patch, self.places = own, patch, patch.places()
        self.side = max(1, min(size) // MATCHED)
        self.small = self.shrunken(own)

    def shrunken(self, picture: np.ndarray) -> np.ndarray:
        """(h, w, 3) a small picture of colours; pictures of few pixels are only smoothed."""
        if self.side == 1:
            return import_cv2().blur(np.ascontiguousarray(picture[..., :3]), (3, 3))
        return shrink_picture(np.ascontiguousarray(picture[..., :3]), self.side)

    def match(self, picture: np.ndarray, visible: np.ndarray) -> ColourMatch | None:
        """The match of a picture (h, w, C), from what it shows (h, w) bool around the hole."""
        where = self.patch.around & visible
        inner = import_cv2().erode(where.astype(np.uint8), np.ones((3, 3), np.uint8)) if self.side == 1 else where
        return match_colours(self.shrunken(picture), self.small, shrink_mask(inner > 0, self.side))

    def bring(self, picture: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """(P, C) the pixels of a picture (h, w, C) in the hole, in the colours and the nearness around it."""
        match, values = self.match(picture, visible), picture[self.patch.hole]
        values = match.apply(values, self.places) if match else values
        if picture.shape[-1] > 3:
            values = values.copy() if match is None else values
            values[:, 3] += self.nearness_shift(picture, visible)
        return values

    def nearness_shift(self, picture: np.ndarray, visible: np.ndarray) -> float:
        """The median difference in nearness where a picture (h, w, C) shows the scene around the hole.

        The same wall is nearer in a frame whose camera is nearer, and estimators shift their depth from frame to frame.
        """
        where = self.patch.around & visible
        return float(np.median(self.own[where, 3] - picture[where, 3])) if where.any() else 0.0


def blend(own: np.ndarray, filled: Filled, grow: int) -> np.ndarray:
    """(h, w, C) a box of a frame with the picture in its hole, faded in over the rim."""
    side, hole = max(1, grow // 2 * 2 - 1), filled.patch.hole
    weight = import_cv2().blur(hole.astype(np.float32), (side, side))
    weight = np.where(hole, weight, 0)[..., None]
    return own + weight * (filled.picture - own)
