"""A mask of what moves in front of a still camera: where a frame differs from the scene by more than its noise.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .moving_subjects import keep_largest
from .still_scene import StillScene

CLEAR, FAINT = 8.0, 3.5  # times the noise: what is certainly no noise, and what belongs to it where they touch
RIM = 0.25  # of the difference beside it: less is the blur around an edge
FLOOR = 2.5 / 255  # difference that counts in a clip without noise
LOCAL = 7.0  # times the noise of the clip that a restless place, such as leaves, counts with at most


@dataclass(frozen=True)
class MotionSettings:
    sensitivity: float = 0.5  # 0 to 1; each tenth more counts differences that are a quarter smaller
    min_size: float = 0.0005  # of the picture: smaller pieces are removed, smaller holes are filled
    grow_mask: int = 2  # pixels
    largest_only: bool = False


def motion_masks(
    images: Tensor, scene: StillScene, settings: MotionSettings, report: Callable[[int], None] = lambda done: None
) -> Tensor:
    """(N, H, W) 1 where images (N, H, W, 3) differ from their scene; `report` gets the frames that are done."""
    masks = torch.empty(images.shape[:3])
    limit = limits(scene, settings.sensitivity)
    for index in range(len(images)):
        masks[index] = torch.from_numpy(find_motion(scene.difference(images, index), limit, settings.min_size))
        report(index + 1)
    if settings.largest_only:
        keep_largest(masks, lambda: report(len(images)))
    for mask in masks if settings.grow_mask else ():
        mask.copy_(torch.from_numpy(grow(mask.numpy(), settings.grow_mask)))
        report(len(images))
    return masks


def limits(scene: StillScene, sensitivity: float) -> np.ndarray:
    """(H, W) the difference that certainly is no noise."""
    noise = np.minimum(scene.noise, LOCAL * np.median(scene.noise))
    return np.maximum(CLEAR * noise, FLOOR) * 2.0 ** (4 * (0.5 - sensitivity))


def find_motion(difference: np.ndarray, limit: np.ndarray, min_size: float) -> np.ndarray:
    """(H, W) bytes 0 or 1: clear differences and the faint ones connected with them, without specks and small holes."""
    cv2 = import_cv2()
    around = cv2.dilate(difference, np.ones((5, 5), np.uint8))
    faint = ((difference > limit * (FAINT / CLEAR)) & (difference > RIM * around)).astype(np.uint8)
    side = 2 * max(1, min(faint.shape) // 270) + 1
    closed = cv2.morphologyEx(faint, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    min_pixels = min_size * faint.size
    clear = keep_pieces(closed, min_pixels, difference > limit)
    return 1 - keep_pieces(1 - clear, min_pixels)


def keep_pieces(mask: np.ndarray, min_pixels: float, seeds: np.ndarray | None = None) -> np.ndarray:
    """(H, W) bytes: the connected pieces of enough pixels; with seeds (H, W) bool those that hold enough of these."""
    count, labels, stats, _ = import_cv2().connectedComponentsWithStats(
        mask, connectivity=8 if seeds is not None else 4
    )
    kept = stats[:, -1] >= max(1, min_pixels)
    if seeds is not None:
        kept &= np.bincount(labels[seeds], minlength=count) >= max(1, min_pixels / 4)
    kept[0] = False
    return kept[labels].astype(np.uint8)


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """(H, W) made larger by some pixels, or smaller by a negative number of them."""
    cv2, side = import_cv2(), 2 * abs(pixels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask, kernel) if pixels > 0 else cv2.erode(mask, kernel)
