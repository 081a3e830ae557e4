"""Another frame warped into a box: by the camera's motion, then aligned by what both show around the hole.

One warp does both, so that fine detail is interpolated once. Letters: H and W pixels, h and w those of a box, C colours
and, last, nearness.
"""

import numpy as np

from ..opencv import import_cv2
from .camera import fitted_homography, match_exposure, scene_points
from .other_frames import OtherFrame
from .parallax import Comparison, moved_places, pixel_places, sample, scene_nearness, shown_at
from .patches import Target
from .scene_frames import Box, SceneFrames, grey_bytes

MARGIN = 16  # pixels by which a first guess may be off


class Around:
    """What surrounds a hole, for aligning other frames with it."""

    def __init__(self, target: Target):
        self.target, self.box = target, target.patch.box
        self.grey, self.ring = grey_bytes(target.own), target.patch.around

    def bring(self, source: SceneFrames, other: OtherFrame) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, C) another frame in the box, and where it shows the scene (h, w)."""
        wide = reached(other.homography, self.box, source.layers.size)
        if wide is None:
            return np.zeros((*self.ring.shape, source.channels), np.float32), np.zeros(self.ring.shape, bool)
        back = place_in(wide) @ np.linalg.inv(other.homography) @ np.linalg.inv(place_in(self.box))
        return self.brought(source.part(other.index, wide), source.visible(other.index, wide), back)

    def brought(self, part: np.ndarray, visible: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A box of another frame (H, W, C), seen where visible (H, W), that `back` (3, 3) leads to from the box."""
        grey, shape = grey_bytes(part), self.ring.shape
        there = shows(visible, back, shape)
        common = there & self.ring
        moved = match_exposure(warp(grey, back, shape), self.grey, common)
        tracked = scene_points(self.grey, moved, common, ~there)
        if tracked is None:
            return warp(part, back, shape), there
        aligned = self.aligned(grey, visible, back, moved, common, tracked)
        shown = shows(visible, aligned, shape)
        deep = self.by_depth(part, visible, back, aligned, moved, common)
        if deep is not None and self.is_closer(grey, deep, warp(grey, aligned, shape), common & shown):
            return sample(part, deep[0]), deep[1]
        return warp(part, aligned, shape), shown

    def aligned(self, grey, visible, back, moved, common, tracked) -> np.ndarray:
        """`back` (3, 3) improved by a homography of the tracked points."""
        shift = fitted_homography(*tracked, self.ring.shape)
        if shift is None or np.array_equal(shift, np.eye(3)):
            return back
        again = match_exposure(warp(grey, back @ shift, self.ring.shape), self.grey, common)
        both = common & shows(visible, back @ shift, self.ring.shape)
        return back @ shift if self.error(again, both) < self.error(moved, both) else back

    def by_depth(self, part, visible, back, aligned, moved, common) -> tuple[np.ndarray, np.ndarray] | None:
        """Where each pixel of the box lies in another frame by its nearness (h, w, 2), and which of them it shows (h, w)."""
        if part.shape[-1] < 4:
            return None
        near = warp(scene_nearness(part[..., 3], visible), back, self.ring.shape)
        found = Comparison(moved, self.grey, near, common).motion(np.linalg.inv(aligned) @ back)
        if found is None:
            return None
        places, settled = found.back(pixel_places(self.ring.shape), near)
        places = moved_places(places, back)
        return places, settled & shown_at(visible, places)

    def is_closer(self, grey: np.ndarray, deep: tuple, flat: np.ndarray, common: np.ndarray) -> bool:
        """What depth brings is more like the scene around the hole than a grey picture (h, w) without it."""
        both = common & deep[1]
        one, other = (match_exposure(plane, self.grey, both) for plane in (sample(grey, deep[0]), flat))
        return self.error(one, both) < self.error(other, both)

    def error(self, one: np.ndarray, both: np.ndarray) -> float:
        """The mean difference in bytes of a grey picture (h, w) where both (h, w) show the scene."""
        return np.abs(one[both].astype(np.int16) - self.grey[both]).mean() if both.any() else 0.0


def reached(homography: np.ndarray, box: Box, size: tuple[int, int]) -> Box | None:
    """The box of another frame that a homography brings into a box, with a margin; None where it lies outside."""
    (top, bottom), (left, right) = ((part.start, part.stop - 1) for part in box)
    corners = np.array([[left, top, 1], [right, top, 1], [left, bottom, 1], [right, bottom, 1]], float)
    there = corners @ np.linalg.inv(homography).T
    if (there[:, 2] <= 0).any():
        return None
    x, y = (there[:, :2] / there[:, 2:]).T
    rows, columns = (
        slice(max(0, int(np.floor(line.min())) - MARGIN), min(end, int(np.ceil(line.max())) + 1 + MARGIN))
        for line, end in zip((y, x), size, strict=True)
    )
    return (rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None


def place_in(box: Box) -> np.ndarray:
    """(3, 3) from pixels of a picture to those of a box."""
    return np.array([[1, 0, -box[1].start], [0, 1, -box[0].start], [0, 0, 1]], float)


def warp(plane: np.ndarray, back: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) or (H, W, C) to (h, w) or (h, w, C) by the homography that leads back to it."""
    cv2 = import_cv2()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(plane, back, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def shows(visible: np.ndarray, back: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: all of a pixel comes from where seen (H, W) is true."""
    cv2 = import_cv2()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(visible.astype(np.uint8) * 255, back, shape[::-1], flags=flags) > 254


def warp_part(
    picture: np.ndarray, visible: np.ndarray, homography: np.ndarray, start: Box, end: Box
) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, C) in the box `start` of one frame, by a homography in the box `end` of another, and where it is seen."""
    back = place_in(start) @ np.linalg.inv(homography) @ np.linalg.inv(place_in(end))
    shape = tuple(part.stop - part.start for part in end)
    return warp(picture, back, shape), shows(visible, back, shape)
