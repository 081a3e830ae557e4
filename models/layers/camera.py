"""The motion of the camera: one homography from frame to frame, from points of the scene tracked by optical flow.

Letters: N frames, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2

POINTS = 600
QUALITY = 1e-4  # of the best corner: a pale wall has only weak ones
MIN_POINTS = 12  # tracked points that a homography needs
STILL = 0.2  # pixels that no corner of the picture may move under a camera that stands
MAX_ROUND_TRIP = 0.5  # pixels by which a point tracked there and back may miss its start


def camera_motion(start: np.ndarray, end: np.ndarray, scene: np.ndarray, hidden: np.ndarray | None = None):
    """(3, 3) homography of the scene from one grey picture (H, W) of bytes to another, None with too few points.

    scene (H, W) is 1 where the first picture shows the scene, hidden (H, W) is 1 where the second one does not.
    """
    cv2, tracked = import_cv2(), track_points(start, end, scene)
    if tracked is None:
        return None
    points, there, good = tracked
    if hidden is not None:
        x, y = np.round(there[:, 0]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < end.shape[1]) & (y < end.shape[0])
        good &= inside & (hidden[y.clip(0, end.shape[0] - 1), x.clip(0, end.shape[1] - 1)] == 0)
    if good.sum() < MIN_POINTS:
        return None
    if np.median(np.abs(there[good] - points[good])) < 0.05:
        return np.eye(3)
    cv2.setRNGSeed(0)
    homography, kept = cv2.findHomography(points[good], there[good], cv2.RANSAC, 0.75)
    if homography is None or kept.sum() < MIN_POINTS or not is_plausible(homography, start.shape):
        return None
    return np.eye(3) if corner_motion(homography, start.shape) < STILL else homography


def track_points(start: np.ndarray, end: np.ndarray, scene: np.ndarray | None = None, levels: int = 4):
    """Corners (P, 1, 2) of one grey picture (H, W) of bytes, where they are in another, and which of them can be trusted.

    scene (H, W) is 1 where the first picture may have such points. Motion of up to about 8 pixels is found at level 0,
    twice as much at each level more. None with too few points.
    """
    cv2 = import_cv2()
    distance = max(4, min(start.shape) // 60)
    mask = None if scene is None else scene.astype(np.uint8)
    points = cv2.goodFeaturesToTrack(start, POINTS, QUALITY, distance, mask=mask)
    if points is None or len(points) < MIN_POINTS:
        return None
    there, found, _ = cv2.calcOpticalFlowPyrLK(start, end, points, None, winSize=(15, 15), maxLevel=levels)
    back, again, _ = cv2.calcOpticalFlowPyrLK(end, start, there, None, winSize=(15, 15), maxLevel=levels)
    good = (found & again).ravel().astype(bool) & (np.abs(back - points).max((1, 2)) < MAX_ROUND_TRIP)
    return points, there, good


def drift(start: np.ndarray, end: np.ndarray, scene: np.ndarray | None = None) -> float:
    """The pixels by which most of one grey picture (H, W) of bytes is moved in another, 0 with too few points to see it.

    Noise moves points in all directions, so each quarter of the picture counts with its median; a zoom moves all four.
    """
    tracked = track_points(start, end, scene, levels=1)  # more would take one piece of a pattern for the next one
    if tracked is None or tracked[2].sum() < MIN_POINTS:
        return 0.0
    points, there = (array[tracked[2]] for array in tracked[:2])
    right, lower = (points[:, 0] > np.array(start.shape[::-1]) / 2).T
    moved = (there - points)[:, 0]
    quarters = [moved[(right == x) & (lower == y)] for x in (False, True) for y in (False, True)]
    medians = [np.linalg.norm(np.median(part, 0)) for part in quarters if len(part) >= MIN_POINTS / 2]
    return float(np.median(medians)) if medians else 0.0


def checked_frames(frames: int) -> list[int]:
    """Frames on both sides of the middle one, near ones first, then twice as far each time."""
    places = [frames // 2 + sign * 2**power for power in range(frames.bit_length()) for sign in (-1, 1)]
    return [place for place in places if 0 <= place < frames]


def corner_motion(homography: np.ndarray, shape: tuple[int, int]) -> float:
    """The most pixels that a corner of a picture moves."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], float)
    moved = corners @ homography.T
    return float(np.abs(moved[:, :2] / moved[:, 2:] - corners[:, :2]).max())


def is_plausible(homography: np.ndarray, shape: tuple[int, int]) -> bool:
    """Between neighbouring frames a camera neither turns the picture over nor jumps by most of it."""
    corners = np.array([[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]], float)
    return bool((corners @ homography[2] > 0.1).all()) and corner_motion(homography, shape) < 0.75 * max(shape)


def warp_into(picture: Tensor, valid: Tensor, homography: np.ndarray, box: tuple) -> tuple[Tensor, Tensor]:
    """(H, W, C) and where it is valid (H, W) by a homography into a box: (h, w, C), and bool (h, w)."""
    cv2 = import_cv2()
    rows, columns = box
    shift = np.array([[1, 0, -columns.start], [0, 1, -rows.start], [0, 0, 1]], float)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    both = torch.cat((picture, valid[..., None].to(picture)), -1).numpy()
    both = [
        cv2.warpPerspective(np.ascontiguousarray(part), shift @ homography, size, flags=cv2.INTER_LINEAR)
        for part in (both[..., :3], both[..., 3:])
    ]
    out = torch.from_numpy(np.concatenate([part.reshape(size[1], size[0], -1) for part in both], -1))
    return out[..., :-1], out[..., -1] > 0.999
