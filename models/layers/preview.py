"""The labelled picture: the person, what is in front of the person, and the number of each object.

Letters: P pictures, N frames, H and W pixels.
"""

import torch
from torch import Tensor

from ..opencv import import_cv2
from .layers import Layers
from .masks import object_frame

MAX_PICTURES = 4
PERSON, FRONT, SCENE = (0.2, 0.8, 0.3), (1.0, 0.5, 0.1), (0.25, 0.5, 1.0)
TINT = 0.45


def preview(layers: Layers) -> Tensor:
    """(P, H, W, 3) frames that show each object best: the person green, occluders orange, other objects blue."""
    return torch.stack([draw_frame(layers, index) for index in best_frames(layers)])


def best_frames(layers: Layers) -> list[int]:
    """Frames where each object is largest, counted double while it is in front; objects in front come first."""
    frames = len(layers.images)
    areas = torch.zeros(frames, layers.count)
    for index in range(frames):
        for k in range(layers.count):
            areas[index, k] = object_frame(layers.objects, k, index, (32, 32)).mean()
    order = sorted(range(layers.count), key=lambda k: not layers.in_front[:, k].any())
    best = [int((areas[:, k] * (1 + layers.in_front[:, k])).argmax()) for k in order if areas[:, k].any()]
    return sorted(dict.fromkeys(best[:MAX_PICTURES])) or [frames // 2]


def draw_frame(layers: Layers, index: int) -> Tensor:
    """One frame (H, W, 3) with tints, outlines and labels."""
    person, _ = layers.coverages(index)
    picture = tint(layers.images[index], person, PERSON)
    labels = [(person, "person", PERSON)]
    for k in range(layers.count):
        mask = object_frame(layers.objects, k, index, layers.size)
        front = bool(layers.in_front[index, k])
        colour = FRONT if front else SCENE
        picture = tint(picture, mask, colour)
        labels.append((mask, f"{k} front" if front else f"{k} scene", colour))
    return draw_labels(picture, labels)


def tint(picture: Tensor, mask: Tensor, colour: tuple) -> Tensor:
    """(H, W, 3) with a colour laid over a mask (H, W)."""
    return torch.lerp(picture, picture.new_tensor(colour).expand_as(picture), TINT * mask[..., None])


def draw_labels(picture: Tensor, labels: list[tuple[Tensor, str, tuple]]) -> Tensor:
    """(H, W, 3) with an outline around each mask and its text at its middle."""
    cv2 = import_cv2()
    canvas = (picture.clamp(0, 1) * 255).byte().cpu().numpy().copy()
    size = max(0.3, min(canvas.shape[:2]) / 720)
    thick = max(1, round(2 * size))
    for mask, text, colour in labels:
        shape = (mask > 0.5).to(torch.uint8).cpu().numpy()
        if not shape.any():
            continue
        ink = tuple(int(255 * part) for part in colour)
        edges, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, edges, -1, ink, thick)
        points = torch.from_numpy(shape).nonzero().float()
        (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        row, column = points.median(0).values.int().tolist()
        corner = (
            max(2, min(column - wide // 2, canvas.shape[1] - wide - 2)),
            max(high + 2, min(row, canvas.shape[0] - 3)),
        )
        for pen, width in (((0, 0, 0), 3 * thick), ((255, 255, 255), thick)):
            cv2.putText(canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, pen, width, cv2.LINE_AA)
    return torch.from_numpy(canvas).to(picture) / 255
