"""Masks by background subtraction, apart from the pack's own: what differs from the median of the whole clip.

Letters: N frames of a shot, T of its whole clip, H and W pixels.
"""

import cv2
import numpy as np

STRIP = 30  # rows of the median at once
CLEAR, FAINT = 34, 13  # levels of 8 bits that certainly are a person, and that belong to one where they touch
SMALLEST = 0.0006  # of the picture: smaller pieces are specks
HOLE = 0.0012  # of the picture: smaller holes are filled


def median_plate(clip: np.ndarray) -> np.ndarray:
    """(H, W, 3) the median of (T, H, W, 3) bytes over time."""
    middle = len(clip) // 2
    rows = [np.partition(clip[:, top : top + STRIP], middle, axis=0)[middle] for top in range(0, clip.shape[1], STRIP)]
    return np.concatenate(rows)


def person_masks(frames: np.ndarray, plate: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """(N, H, W) bool where frames (N, H, W, 3) differ from the plate, inside `where` (H, W) bool."""
    masks = np.empty(frames.shape[:3], bool)
    for mask, frame in zip(masks, frames, strict=True):
        mask[:] = moving_pieces(difference(frame, plate), where)
    return masks


def difference(frame: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """(H, W) the largest difference of the colours in levels, without a change of all pixels alike."""
    apart = frame.astype(np.float32) - plate
    apart -= np.median(apart[::4, ::4], (0, 1))
    return np.abs(cv2.GaussianBlur(apart, (0, 0), 1.0)).max(-1)


def moving_pieces(apart: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    """(H, W) bool: faint differences that are connected with clear ones, without specks and small holes."""
    side = 2 * max(1, min(apart.shape) // 108) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    faint = (apart > FAINT) if where is None else (apart > FAINT) & where
    faint = cv2.morphologyEx(faint.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    faint = cv2.morphologyEx(faint, cv2.MORPH_CLOSE, kernel)
    kept = pieces(faint, SMALLEST, apart > CLEAR)
    return ~pieces((~kept).astype(np.uint8), HOLE)


def pieces(mask: np.ndarray, smallest: float, seeds: np.ndarray | None = None) -> np.ndarray:
    """(H, W) bool: the connected pieces as large as a share of the picture; with seeds a tenth of each is one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= smallest * mask.size
    if seeds is not None:
        inside = np.bincount(labels[seeds & (mask > 0)], minlength=count)
        kept &= inside >= 0.1 * stats[:, cv2.CC_STAT_AREA]
    kept[0] = False
    return kept[labels]


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """(..., H, W) bool made larger by some pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    flat = mask.reshape(-1, *mask.shape[-2:]).astype(np.uint8)
    return np.stack([cv2.dilate(one, kernel) > 0 for one in flat]).reshape(mask.shape)
