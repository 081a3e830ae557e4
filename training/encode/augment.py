"""Augmentation of pictures before training (IDOL section 4.1, human-aware outpainting).

Letters: H and W pixels; pictures are (3, H, W) uint8, masks (H, W) uint8.
"""

from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.opencv import import_cv2
from ...models.pair import foreground

GREY = 255 * foreground.GREY


def hide(picture: Tensor, mask: Tensor, radius: int = 0) -> Tensor:
    """Paints the person mid-grey; the mask is dilated by a disc of `radius` pixels first."""
    share = dilated(mask, radius)[None]
    return picture.float().lerp(torch.tensor(GREY), share).round().to(torch.uint8)


def dilated(mask: Tensor, radius: int) -> Tensor:
    """(H, W) uint8 to its (H, W) share in [0, 1], dilated by a disc."""
    if radius < 1:
        return mask.float() / 255
    y, x = torch.meshgrid(torch.arange(-radius, radius + 1), torch.arange(-radius, radius + 1), indexing="ij")
    disc = (y * y + x * x <= radius * radius).to(torch.uint8)
    return torch.from_numpy(import_cv2().dilate(mask.contiguous().numpy(), disc.numpy())).float() / 255


def dilation(r: Random, side: int) -> int:
    """How far to grow the mask of an example: 2 to 12 % of the picture four times out of five, else not at all."""
    return round(side * r.uniform(0.02, 0.12)) if r.random() < 0.8 else 0


def cut_out(picture: Tensor, mask: Tensor) -> Tensor:
    """The person alone on mid-grey."""
    share = (mask.float() / 255)[None]
    return torch.full((1,), GREY).expand_as(picture).lerp(picture.float(), share).round().to(torch.uint8)


def stretch(person: Tensor, r: Random) -> Tensor:
    """A person alone, every other time cropped to 30 to 100 % of the area, and shrunk to 60 to 100 % of the side.

    So the network is trained to complete the parts of a body that are cut off.
    """
    height, width = person.shape[-2:]
    out = person.float()
    if r.random() < 0.5:
        side = r.uniform(0.3, 1.0) ** 0.5
        rows, columns = max(8, round(height * side)), max(8, round(width * side))
        top, left = r.randint(0, height - rows), r.randint(0, width - columns)
        out = resized(out[:, top : top + rows, left : left + columns], height, width)
    scale = r.uniform(0.6, 1.0)
    rows, columns = round(height * scale), round(width * scale)
    top, left = r.randint(0, height - rows), r.randint(0, width - columns)
    canvas = torch.full_like(out, GREY)
    canvas[:, top : top + rows, left : left + columns] = resized(out, rows, columns)
    return canvas.round().clamp(0, 255).to(torch.uint8)


def resized(picture: Tensor, rows: int, columns: int) -> Tensor:
    return F.interpolate(picture[None], (rows, columns), mode="bilinear", antialias=True)[0]
