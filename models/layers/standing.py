"""Whether the camera of a clip stands: a tripod shakes and sinks by a pixel at most, a slow pan goes on and on.

Points of the scene are tracked from the middle frame to all others. Noise, a change of exposure, leaves and people move
some of them or all a little; a camera that moves takes most of them along.
Letters: N frames, P points, K cells, h and w pixels of the pictures that motion is measured on.
"""

from collections.abc import Callable

import numpy as np

from ..opencv import import_cv2
from .camera import MIN_POINTS, checked_frames, corners, follow, match_exposure
from .scene_frames import SceneFrames

# Pixels, of a picture with 540 on its shorter side or fewer: how far a frame of a tripod is from the middle of all places,
# and by how much the parts of a picture move against each other.
STANDS, TOGETHER = 0.75, 0.5
SMOOTH = 1.0  # pixels of a blur without which noise has corners
CLEAR_CORNERS = (0.01, 60)  # of the best corner, and how many such are enough; else weaker ones are taken too
CELLS, IN_CELL = 3, 4  # to each side of the picture, and points that one needs
FOLLOWED = 0.25  # of the points: fewer are found again after a cut or a fast motion only
SAME_FRAME = 2.0  # bytes by which two frames without any corner differ on average at most


def standing_offsets(source: SceneFrames, report: Callable[[int], None] = lambda done: None) -> np.ndarray | None:
    """(N, 2) pixels (x, y) by which each frame is moved against the middle one, or None for a camera that moves."""
    frames, near = len(source), checked_frames(len(source))
    middle, scale = frames // 2, max(1.0, min(source.layers.size) / 540) / source.step
    reference = Reference(smooth_grey(source, middle), source.tracked_scene(middle))
    offsets, apart = np.zeros((frames, 2)), np.zeros(frames)
    for done, index in enumerate(near + sorted(set(range(frames)) - set(near) - {middle})):
        moved = reference.motion(smooth_grey(source, index), source.tracked_scene(index))
        if moved is None:
            return None
        offsets[index], cells = moved
        apart[index] = np.median(np.linalg.norm(cells - offsets[index], axis=1))
        if np.linalg.norm(offsets[index]) > 2 * STANDS * scale or apart[index] > 3 * TOGETHER * scale:
            return None
        report(done)
    centre = (offsets.min(0) + offsets.max(0)) / 2
    stands = np.linalg.norm(offsets - centre, axis=1).max() < STANDS * scale and np.median(apart) < TOGETHER * scale
    return offsets * source.step if stands else None


class Reference:
    """The frame that others are compared with: a grey picture (h, w) of bytes, and where it shows the scene."""

    def __init__(self, grey: np.ndarray, scene: np.ndarray):
        self.grey, self.scene = grey, scene
        self.points = corners(grey, scene, CLEAR_CORNERS[0])
        if self.points is None or len(self.points) < CLEAR_CORNERS[1]:
            self.points = corners(grey, scene)

    def motion(self, grey: np.ndarray, scene: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The motion (2,) to another frame, and that of cells (K, 2); 0 where the scene is hidden, None where it is lost."""
        common = self.scene & scene
        grey = match_exposure(grey, self.grey, common)
        if self.points is None:
            same = not common.any() or np.abs(grey[common].astype(np.int16) - self.grey[common]).mean() < SAME_FRAME
            return (np.zeros(2), np.zeros((1, 2))) if same else None
        there, good = follow(
            self.points, self.grey, grey, levels=1
        )  # more would take one piece of a pattern for another
        x, y = np.round(self.points[:, 0]).astype(int).T
        visible = scene[y, x]
        if visible.sum() < MIN_POINTS:
            return np.zeros(2), np.zeros((1, 2))
        good &= visible
        if good.sum() < max(MIN_POINTS / 2, FOLLOWED * visible.sum()):
            return None
        moved = (there - self.points)[good, 0]
        return np.median(moved, 0), cell_motions(self.points[good, 0], moved, grey.shape)


def cell_motions(points: np.ndarray, moved: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(K, 2) the median motion (P, 2) of the points (P, 2) in each cell of a picture, of all in one if there are few."""
    column, row = (points / np.array(shape[::-1]) * CELLS).astype(int).clip(0, CELLS - 1).T
    cell = row * CELLS + column
    medians = [np.median(moved[cell == k], 0) for k in range(CELLS**2) if (cell == k).sum() >= IN_CELL]
    return np.array(medians) if medians else np.median(moved, 0)[None]


def smooth_grey(source: SceneFrames, index: int) -> np.ndarray:
    """(h, w) bytes without most of the noise."""
    return import_cv2().GaussianBlur(source.tracked_grey(index), (0, 0), SMOOTH)
