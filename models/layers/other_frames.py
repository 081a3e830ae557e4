"""Which other frames of a moving camera show what a hole hides: the nearest ones that are enough.

Letters: N frames, h and w the small pixels that holes are compared on.
"""

from dataclasses import dataclass

import numpy as np

from ..opencv import import_cv2
from .patches import Patch
from .scene_frames import SceneFrames

ENOUGH_VIEWS = 3  # frames that show each pixel
MAX_DISTANCE = 64  # frames from which it may come
DISTANCES = sorted({2**k for k in range(7)} | {3 * 2**k for k in range(5)})
MOST = 10  # frames that are warped
HALF_AS_GOOD = 8  # frames of distance at which a frame counts half
WORTH = 0.01  # of the hole that a frame must add


@dataclass(frozen=True)
class OtherFrame:
    index: int
    distance: int
    homography: np.ndarray  # (3, 3) from it to the frame that is filled


def in_reach(index: int, steps: list) -> list[OtherFrame]:
    """Frames around one, near ones first, as far as the camera can be followed by steps (N - 1) from frame to frame."""
    found = []
    for sign in (-1, 1):
        chain = np.eye(3)
        for distance in range(1, MAX_DISTANCE + 1):
            other = index + sign * distance
            place = other if sign < 0 else other - 1
            if not 0 <= other <= len(steps) or steps[place] is None:
                break
            chain = chain @ (steps[place] if sign < 0 else np.linalg.inv(steps[place]))
            if distance in DISTANCES:
                found.append(OtherFrame(other, distance, chain))
    return sorted(found, key=lambda other: other.distance)


def coarse_box(source: SceneFrames, patch: Patch) -> tuple[slice, slice]:
    """The box of a patch in the small pixels that holes are compared on."""
    sizes = source.coarse_holes.shape[1:]
    return tuple(
        slice(min(part.start // source.coarse, end - 1), min(-(-part.stop // source.coarse), end))
        for part, end in zip(patch.box, sizes, strict=True)
    )


def shown_coarsely(source: SceneFrames, other: OtherFrame, box: tuple[slice, slice]) -> np.ndarray:
    """(h, w) bool: another frame shows the scene at a box of small pixels."""
    cv2, (height, width) = import_cv2(), source.layers.size
    rows, columns = box
    down, across = (size / small for size, small in zip((height, width), source.coarse_holes.shape[1:], strict=True))
    # Small pixels to pixels, and back; the middle of a small pixel is the middle of its square.
    larger = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    shift = np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1]], float)
    there = np.linalg.inv(larger) @ np.linalg.inv(other.homography) @ larger @ shift
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    hole = cv2.warpPerspective(source.coarse_hole(other.index), there, size, flags=flags, borderValue=255)
    return hole < 128


def choose_frames(source: SceneFrames, index: int, patch: Patch, steps: list) -> list[OtherFrame]:
    """The frames that together show each pixel of a patch often enough, near ones first."""
    box = coarse_box(source, patch)
    hole = source.coarse_hole(index)[box] > 0
    left = [(other, shown_coarsely(source, other, box) & hole) for other in in_reach(index, steps)]
    views, chosen = np.zeros(hole.shape, int), []
    while left and len(chosen) < MOST and (views[hole] < ENOUGH_VIEWS).any():
        missing = views < ENOUGH_VIEWS
        adds = [int((visible & missing).sum()) for _, visible in left]
        best = max(range(len(left)), key=lambda k: adds[k] / (1 + left[k][0].distance / HALF_AS_GOOD))
        if adds[best] <= WORTH * hole.sum():
            break
        other, visible = left.pop(best)
        chosen.append(other)
        views += visible
    return sorted(chosen, key=lambda other: other.distance)
