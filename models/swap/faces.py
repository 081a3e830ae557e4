"""Square pictures of the face of a person in a clip, as Wan-Animate reads expressions from them.

The box is that of the model's own preparation: around the points of the face, 1.3 times their area, three quarters of
what is added above them. The square does not keep the shape of the box.
Letters: N frames, K points.
"""

import numpy as np
import torch
from torch import Tensor

from ..layers.crop import resize
from ..pose.formats import BODY, FACE

SIDE = 512  # pixels of the pictures that the model reads
AREA, ABOVE = 1.3, 0.75  # of the box against that of the points, and the part of what is added that lies above
LANDMARKS = 68
NOSE, NECK, RIGHT_EAR, LEFT_EAR = 0, 1, 16, 17
NECK_TO_FACE = 0.6  # height of a face against the distance from nose to neck
CONFIDENT = 0.3


def face_box(person: dict[str, np.ndarray], threshold: float = CONFIDENT) -> np.ndarray | None:
    """Left, top, right, bottom around the face, from its points or from nose, neck and ears; None where it is not seen."""
    points = person[FACE][:LANDMARKS]
    points = points[(points[:, 2] > 0) & (points[:, 2] >= threshold), :2]
    if len(points) >= LANDMARKS // 2:
        return widened(np.concatenate((points.min(0), points.max(0))))
    return box_of_head(person[BODY], threshold)


def box_of_head(body: np.ndarray, threshold: float) -> np.ndarray | None:
    """A box around the nose, as large as the joints of the head say; None without the nose."""
    seen = (body[:, 2] > 0) & (body[:, 2] >= threshold)
    apart = lambda a, b: np.linalg.norm(body[a, :2] - body[b, :2]) if seen[a] and seen[b] else 0.0
    side = max(apart(RIGHT_EAR, LEFT_EAR), NECK_TO_FACE * apart(NOSE, NECK))
    if not seen[NOSE] or side == 0:
        return None
    return widened(np.concatenate((body[NOSE, :2] - side / 2, body[NOSE, :2] + side / 2)))


def widened(box: np.ndarray) -> np.ndarray:
    """The box with the space around it that the model was trained with."""
    width, height = np.maximum(box[2:] - box[:2], 1)
    more = (AREA**0.5 - 1) * np.array([width, height])
    low = box[:2] - more * (0.5, ABOVE)
    return np.concatenate((low, box[2:] + more * (0.5, 1 - ABOVE)))


def fill_gaps(boxes: list[np.ndarray | None]) -> np.ndarray | None:
    """(N, 4) boxes, between those of neighbors where a frame has none; None where no frame has one."""
    known = [index for index, box in enumerate(boxes) if box is not None]
    if not known:
        return None
    given = np.stack([boxes[index] for index in known])
    frames = np.arange(len(boxes))
    return np.stack([np.interp(frames, known, given[:, side]) for side in range(4)], 1)


def cut_face(picture: Tensor, box: np.ndarray) -> Tensor:
    """(H, W, 3) to (SIDE, SIDE, 3), the part of a box that lies in the picture; black where none does."""
    height, width = picture.shape[:2]
    left, top = (int(max(0, side)) for side in box[:2])
    right, bottom = (int(min(limit, side)) for limit, side in zip((width, height), box[2:], strict=True))
    if right <= left or bottom <= top:
        return torch.zeros(SIDE, SIDE, 3)
    return resize(picture[top:bottom, left:right].float(), (SIDE, SIDE)).clamp(0, 1)
