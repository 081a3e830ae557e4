"""What was drawn by hand for the clip of sports2d: the trunk in front, the ground, the walls, and the people's depth by their feet.

Places are fractions of width and height, so that they hold at every size. Letters: N frames, H and W pixels.
"""

import cv2
import numpy as np

# x and y of the outline of the trunk, clockwise from the upper left.
TRUNK = (
    (0.921, 0.0), (1.0, 0.0), (1.0, 1.0), (0.881, 1.0), (0.883, 0.870), (0.884, 0.778), (0.886, 0.713), (0.893, 0.648),
    (0.899, 0.602), (0.906, 0.556), (0.9125, 0.509), (0.918, 0.485), (0.918, 0.398), (0.916, 0.333), (0.916, 0.204), (0.917, 0.111),
)  # fmt: skip
HORIZON = 0.60  # y at which the lawn would end far away
NEAREST = 0.62  # nearness of the lawn at the lower edge
SKY, TREES, WALL, TRUNK_NEARNESS = 0.02, 0.06, 0.10, 0.85
# Left, top, right and bottom of what stands on the lawn and stays: the small building and the second tree.
STANDING = ((0.0, 0.44, 0.415, 0.89), (0.840, 0.0, 0.895, 0.845))
WALK = (0.42, 0.50, 1.0, 1.0)  # left, top, right and bottom of where people walk; one more exercises on the building
FEET = {"A": 0.945, "B": 0.920}  # y below which a shot has the person's shadow alone
SMOOTHED = 9  # frames over which the depth of the feet is the median


def trunk_mask(size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool."""
    height, width = size
    corners = np.array([[x * width, y * height] for x, y in TRUNK])
    return cv2.fillPoly(np.zeros(size, np.uint8), [corners.round().astype(np.int32)], 1) > 0


def walkable(size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: where people walk."""
    return inside(WALK, size)


def inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool inside of left, top, right and bottom."""
    y, x = (np.arange(side) / side for side in size)
    left, top, right, bottom = box
    return ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))


def without_shadow(masks: np.ndarray, shot: str) -> np.ndarray:
    """(N, H, W) bool masks of a shot above the person's feet."""
    return masks & inside((0.0, 0.0, 1.0, FEET[shot]), masks.shape[1:])


def ground_nearness(y: np.ndarray) -> np.ndarray:
    """Nearness of the lawn at y, a fraction of the height: 1 / distance is a straight line of y on flat ground."""
    return NEAREST * np.clip((y - HORIZON) / (1 - HORIZON), 0, None)


def empty_nearness(size: tuple[int, int]) -> np.ndarray:
    """(H, W) the scene without people."""
    y = np.broadcast_to((np.arange(size[0])[:, None] + 0.5) / size[0], size)
    near = np.maximum(np.where(y < 0.15, SKY, np.where(y < 0.45, TREES, WALL)), ground_nearness(y))
    for box in STANDING:
        near = np.where(inside(box, size), np.maximum(near, ground_nearness(np.array(box[3]))), near)
    return near.astype(np.float32)


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
