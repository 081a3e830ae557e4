"""How the camera moves behind the people: one homography from frame to frame, of points that flow tracks in the scene.

Letters: N frames, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2

POINTS = 600
QUALITY = 1e-4  # of the best corner: a pale wall has only weak ones
FEWEST = 12  # tracked points below which nothing is said about the camera
STILL = 0.2  # pixels that no corner of the picture may move under a camera that stands
TRUST = 0.5  # pixels by which the way there and back may differ


def motion_between(start: np.ndarray, end: np.ndarray, allowed: np.ndarray, gone: np.ndarray | None = None):
    """(3, 3) homography of the scene from one grey picture (H, W) of bytes to another, or None where it cannot be told.

    allowed (H, W) is 1 where the first picture shows the scene, gone (H, W) is 1 where the second one does not.
    """
    cv2 = import_cv2()
    distance = max(4, min(start.shape) // 60)
    points = cv2.goodFeaturesToTrack(start, POINTS, QUALITY, distance, mask=allowed.astype(np.uint8))
    if points is None or len(points) < FEWEST:
        return None
    there, found, _ = cv2.calcOpticalFlowPyrLK(start, end, points, None, winSize=(15, 15), maxLevel=4)
    back, again, _ = cv2.calcOpticalFlowPyrLK(end, start, there, None, winSize=(15, 15), maxLevel=4)
    good = (found & again).ravel().astype(bool) & (np.abs(back - points).max((1, 2)) < TRUST)
    if gone is not None:
        x, y = np.round(there[:, 0]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < end.shape[1]) & (y < end.shape[0])
        good &= inside & (gone[y.clip(0, end.shape[0] - 1), x.clip(0, end.shape[1] - 1)] == 0)
    if good.sum() < FEWEST:
        return None
    if np.median(np.abs(there[good] - points[good])) < 0.05:
        return np.eye(3)
    cv2.setRNGSeed(0)
    matrix, kept = cv2.findHomography(points[good], there[good], cv2.RANSAC, 0.75)
    if matrix is None or kept.sum() < FEWEST or not sane(matrix, start.shape):
        return None
    return np.eye(3) if corner_motion(matrix, start.shape) < STILL else matrix


def corner_motion(matrix: np.ndarray, shape: tuple[int, int]) -> float:
    """Pixels that the corner of a picture moves at most."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], float)
    moved = corners @ matrix.T
    return float(np.abs(moved[:, :2] / moved[:, 2:] - corners[:, :2]).max())


def sane(matrix: np.ndarray, shape: tuple[int, int]) -> bool:
    """A camera between neighbouring frames neither turns the picture over nor jumps by most of it."""
    corners = np.array([[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]], float)
    return bool((corners @ matrix[2] > 0.1).all()) and corner_motion(matrix, shape) < 0.75 * max(shape)


def moved_into(picture: Tensor, shown: Tensor, way: np.ndarray, box: tuple) -> tuple[Tensor, Tensor]:
    """(H, W, C) and where it counts (H, W) by a homography into a box: (h, w, C), and bool (h, w)."""
    cv2 = import_cv2()
    rows, columns = box
    shift = np.array([[1, 0, -columns.start], [0, 1, -rows.start], [0, 0, 1]], float)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    both = torch.cat((picture, shown[..., None].to(picture)), -1).numpy()
    both = [
        cv2.warpPerspective(np.ascontiguousarray(part), shift @ way, size, flags=cv2.INTER_LINEAR)
        for part in (both[..., :3], both[..., 3:])
    ]
    out = torch.from_numpy(np.concatenate([part.reshape(size[1], size[0], -1) for part in both], -1))
    return out[..., :-1], out[..., -1] > 0.999
