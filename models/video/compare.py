"""Two pictures of one size in one: beside each other, one wiped over the other, edges of depth, how far they differ.

Letters: H and W pixels.
"""

import torch
from torch import Tensor

from ..choices import WIPE_DIRECTIONS, check_choice
from ..opencv import import_cv2

LINE = 2  # pixels of the white line between both halves of a wipe


def fit(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w, 3) scaled into (H, W) without distortion, in the middle of black."""
    height, width = inner_size(picture.shape[:2], size)
    if (height, width) == tuple(picture.shape[:2]) == tuple(size):
        return picture
    smaller = height < picture.shape[0]
    scaled = torch.nn.functional.interpolate(
        picture.movedim(-1, 0)[None], size=(height, width), mode="bilinear", align_corners=False, antialias=smaller
    )[0].movedim(0, -1)
    out = picture.new_zeros(*size, 3)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    out[top : top + height, left : left + width] = scaled
    return out


def inner_size(size: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest picture with the sides of `size` in proportion that fits into `outer`."""
    scale = min(outer[0] / size[0], outer[1] / size[1])
    return tuple(min(whole, max(1, round(scale * side))) for side, whole in zip(size, outer, strict=True))


def wipe(picture: Tensor, other: Tensor, position: float, direction: str) -> Tensor:
    """(H, W, 3): the first picture up to a part of the width or height, the other one beyond, with a line between them."""
    check_choice(direction, WIPE_DIRECTIONS)
    axis = 1 if direction == WIPE_DIRECTIONS[0] else 0
    length = picture.shape[axis]
    border = round(min(max(position, 0.0), 1.0) * length)
    out = torch.cat((picture.narrow(axis, 0, border), other.narrow(axis, border, length - border)), axis)
    if 0 < border < length:
        begin = max(0, border - LINE // 2)
        out.narrow(axis, begin, min(LINE, length - begin)).fill_(1.0)
    return out


def edges(depth: Tensor, threshold: float) -> Tensor:
    """(H, W) from 0 to 1: where the greys of depth (H, W) within 3 x 3 pixels differ by the threshold (0) to twice as much (1)."""
    one = depth[None, None]
    pool = torch.nn.functional.max_pool2d
    spread = pool(one, 3, 1, 1) + pool(-one, 3, 1, 1)
    return (spread[0, 0] / max(threshold, 1e-6) - 1).clamp(0, 1)


def draw_edges(picture: Tensor, depth: Tensor, threshold: float, colour: tuple[float, float, float]) -> Tensor:
    """(H, W, 3) with the edges of depth pictures (H, W, 3) in a colour over it."""
    ink = picture.new_tensor(colour).expand_as(picture)
    return torch.lerp(picture, ink, edges(depth.mean(-1), threshold)[..., None])


def error(picture: Tensor, other: Tensor, gain: float) -> Tensor:
    """(H, W, 3) how far both differ, times a gain, black where they are equal."""
    return ((picture - other).abs() * gain).clamp(0, 1)


def label_mask(text: str, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two (h, w) planes from 0 to 1 for pictures of (H, W): the letters, and the black around them."""
    cv2 = import_cv2()
    scale = max(0.3, min(size) / 480)
    thick = max(1, round(1.6 * scale))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    rim = 3 * thick
    planes = []
    for stroke in (thick, 3 * thick):
        plane = torch.zeros(height + below + 2 * rim, width + 2 * rim, dtype=torch.uint8).numpy()
        cv2.putText(plane, text, (rim, rim + height), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke, cv2.LINE_AA)
        planes.append(torch.from_numpy(plane).float() / 255)
    return planes[0], planes[1]


def labelled(picture: Tensor, label: tuple[Tensor, Tensor], right: bool = False, bottom: bool = False) -> Tensor:
    """(H, W, 3) with a label in a corner, the top left one unless said otherwise; what reaches out is cut off."""
    (height, width), (tall, wide) = picture.shape[:2], label[0].shape
    row, column = max(0, height - tall) if bottom else 0, max(0, width - wide) if right else 0
    out = picture.clone()
    part = out[row : row + tall, column : column + wide]
    letters, around = (plane.to(picture)[: part.shape[0], : part.shape[1], None] for plane in label)
    part.mul_(1 - around).add_(letters).clamp_(0, 1)
    return out
