"""What was drawn by hand for the clip of sports2d: the trunk in front, the ground, the walls, and the people's depth by their feet.

Places are fractions of width and height, so that they hold at every size. Letters: N frames, H and W pixels.
"""

import cv2
import numpy as np

# x and y of the outline of the trunk, clockwise from the upper left.
TRUNK = ((0.885, 0.0), (1.0, 0.0), (1.0, 1.0), (0.885, 1.0))
HORIZON = 0.60  # y at which the lawn would end far away
NEAREST = 0.62  # nearness of the lawn at the lower edge
WALL, TREES, SKY, TRUNK_NEARNESS = 0.10, 0.06, 0.02, 0.85
ROOF = 0.40  # y above which nobody can walk: what moves there is not in the masks
SMOOTHED = 9  # frames over which the depth of the feet is the median


def trunk_mask(size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool."""
    height, width = size
    corners = np.array([[x * width, y * height] for x, y in TRUNK])
    return cv2.fillPoly(np.zeros(size, np.uint8), [corners.round().astype(np.int32)], 1) > 0


def walkable(size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: where people walk."""
    rows = np.arange(size[0])[:, None] >= ROOF * size[0]
    return np.broadcast_to(rows, size)


def ground_nearness(y: np.ndarray) -> np.ndarray:
    """Nearness of the lawn at y, a fraction of the height: 1 / distance is a straight line of y on flat ground."""
    return NEAREST * np.clip((y - HORIZON) / (1 - HORIZON), 0, None)


def empty_nearness(size: tuple[int, int]) -> np.ndarray:
    """(H, W) the scene without people."""
    y = np.broadcast_to((np.arange(size[0])[:, None] + 0.5) / size[0], size)
    behind = np.where(y < 0.15, SKY, np.where(y < 0.45, TREES, WALL))
    return np.maximum(behind, ground_nearness(y)).astype(np.float32)


def feet_nearness(person: np.ndarray) -> np.ndarray:
    """(N,) nearness of a person (N, H, W) by the lowest row of its mask, the median over some frames."""
    height = person.shape[1]
    lowest = [float(rows.max() + 1) / height if len(rows := np.flatnonzero(one.any(1))) else np.nan for one in person]
    near = ground_nearness(np.array(lowest))
    out = np.full(len(person), np.nan)
    for index in range(len(person)):
        part = near[max(0, index - SMOOTHED // 2) : index + SMOOTHED // 2 + 1]
        out[index] = np.nanmedian(part) if np.isfinite(part).any() else np.nan
    return out


def drawn_nearness(person: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(N, H, W) nearness of the scene, the people (N, H, W) and the trunk (H, W)."""
    near, empty = feet_nearness(person), empty_nearness(person.shape[1:])
    out = np.where(person, np.maximum(np.nan_to_num(near)[:, None, None], empty), empty)
    return np.where(kept, np.float32(TRUNK_NEARNESS), out)
