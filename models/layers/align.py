"""Another frame warped into a box: by the camera's motion, then aligned by what both show around the hole.

One warp does both, so that fine detail is interpolated once. Letters: H and W pixels, h and w those of a box, C colours
and, last, nearness.
"""

import numpy as np

from ..opencv import import_cv2
from .camera import camera_motion, match_exposure
from .other_frames import OtherFrame
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
        part, visible = source.part(other.index, wide), source.visible(other.index, wide)
        back = self.aligned(grey_bytes(part), visible, back)
        return warp(part, back, self.ring.shape), shows(visible, back, self.ring.shape)

    def aligned(self, grey: np.ndarray, visible: np.ndarray, back: np.ndarray) -> np.ndarray:
        """(3, 3) from the box to another frame, whose grey picture (H, W) shows the scene where seen (H, W), improved."""
        there = shows(visible, back, self.ring.shape)
        common = there & self.ring
        moved = match_exposure(warp(grey, back, self.ring.shape), self.grey, common)
        shift = camera_motion(self.grey, moved, common, ~there)
        if shift is None or np.array_equal(shift, np.eye(3)):
            return back
        again = match_exposure(warp(grey, back @ shift, self.ring.shape), self.grey, common)
        both = common & shows(visible, back @ shift, self.ring.shape)
        error = lambda one: np.abs(one[both].astype(np.int16) - self.grey[both]).mean() if both.any() else 0.0
        return back @ shift if error(again) < error(moved) else back


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
