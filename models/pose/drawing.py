"""The OpenPose picture of keypoints.

Pixel centres lie at integer coordinates. Letters: N frames, K points or limbs, H and W pixels.
"""

import colorsys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .formats import BODY, FACE, FOOT, LEFT_HAND, RIGHT_HAND, parse

LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85)),
    *((0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255)),
    *((255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
BONES = tuple((0 if point % 4 == 1 else point - 1, point) for point in range(1, 21))  # five fingers from the wrist


BONE_COLOURS = tuple(tuple(int(255 * c) for c in colorsys.hsv_to_rgb(bone / 20, 1, 1)) for bone in range(20))
TURN = np.arange(32) * 2 * np.pi / 32
ROUND = np.stack((np.cos(TURN), np.sin(TURN)), -1)  # outlines as (along, across) in units of half a shape's size
RIM = 0.6  # pixels by which OpenCV's smooth filling swells every outline
SQUARE = np.array(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)))


def draw(
    frames: list[dict],
    height: int | None = None,
    width: int | None = None,
    stick_width: float = 0.0,
    body: bool = True,
    hands: bool = True,
    face: bool = True,
    feet: bool = False,
    threshold: float = 0.3,
    report: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Keypoints of any format as (N, H, W, 3) OpenPose pictures; stick width 0 is 4 pixels at a size of 512."""
    clip = parse(frames)
    height, width = height or clip[0].height, width or clip[0].width
    stick = stick_width or max(1.0, min(height, width) / 128)
    shown = {BODY: body, FOOT: feet, FACE: face, RIGHT_HAND: hands, LEFT_HAND: hands}
    keys = [key for key in (BODY, FOOT, RIGHT_HAND, LEFT_HAND, FACE) if shown[key]]
    out = torch.empty(len(clip), height, width, 3)
    for index, frame in enumerate(clip):
        picture = np.zeros((height, width, 3), np.uint8)
        for person in frame.people:
            for key in keys:
                points = rescale(person[key], width / frame.width, height / frame.height)
                draw_part(picture, key, points, stick, threshold)
        torch.div(torch.from_numpy(picture), 255, out=out[index])
        report(index + 1)
    return out


def rescale(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """(K, 3) points on a picture x times wider and y times higher; a pixel's centre stays its centre."""
    return np.column_stack(((points[:, :2] + 0.5) * (x, y) - 0.5, points[:, 2]))


def draw_part(picture: np.ndarray, key: str, points: np.ndarray, stick: float, threshold: float) -> None:
    """Paints the limbs, then the joints, of one part of one person into (H, W, 3) bytes."""
    near = np.abs(points[:, :2]).max(1) < 8 * max(picture.shape)  # keeps the fixed-point numbers of OpenCV in range
    visible = (points[:, 2] > 0) & (points[:, 2] >= threshold) & near
    if not visible.any():
        return
    places = points[:, :2]
    if key == BODY:
        paint(picture, *limbs(places, visible, LIMBS, COLOURS, ROUND, stick))
        paint(picture, *discs(places, visible, COLOURS, stick))
    elif key == FOOT:
        paint(picture, *discs(places, visible, COLOURS, stick))
    elif key == FACE:
        paint(picture, *discs(places[:68], visible[:68], 68 * [(255, 255, 255)], 0.75 * stick))
    else:
        paint(picture, *limbs(places, visible, BONES, BONE_COLOURS, SQUARE, stick / 4))
        paint(picture, *discs(places, visible, 21 * [(0, 0, 255)], stick))


def limbs(
    places: np.ndarray, visible: np.ndarray, edges: tuple, colours: tuple, outline: np.ndarray, half: float
) -> tuple:
    """Outlines (K, 32 or 4, 2) and colours of the edges whose two ends are visible."""
    kept = [index for index, (a, b) in enumerate(edges) if visible[a] and visible[b]]
    ends = places[np.array([edges[index] for index in kept], dtype=int).reshape(-1, 2)]
    along = (ends[:, 1] - ends[:, 0]) / 2
    half = max(half - RIM, 0.2)
    across = along[:, ::-1] * (-half, half) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    return outline @ np.stack((along, across), 1) + ends.mean(1)[:, None], [colours[index] for index in kept]


def discs(places: np.ndarray, visible: np.ndarray, colours: tuple, radius: float) -> tuple:
    """Outlines (K, 32, 2) and colours of the points that are visible."""
    kept = np.flatnonzero(visible)
    return places[kept, None] + max(radius - RIM, 0.2) * ROUND, [colours[index] for index in kept]


def paint(picture: np.ndarray, outlines: np.ndarray, colours: list) -> None:
    """Fills the outlines in place, smooth and exact to 1/16 pixel so that slow motion does not jump."""
    cv2 = import_cv2()
    for outline, colour in zip((outlines * 16).round().astype(np.int32), colours, strict=True):
        cv2.fillConvexPoly(picture, outline, colour, cv2.LINE_AA, 4)
