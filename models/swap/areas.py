"""The area that a generator fills, as masks of the size of its pictures.

Letters: h and w pixels.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from ..opencv import import_cv2

LATENT = 8  # pixels of a side of one value of Wan's latents
HIDDEN = 0.5  # of such a value covered by an object in front: the object stays


def widened(mask: Tensor, pixels: int) -> Tensor:
    """(h, w) in 0..1 to (h, w) of 0 and 1, reaching some pixels farther."""
    hard = (mask > 0.5).to(torch.uint8)
    if not pixels:
        return hard.float()
    cv2 = import_cv2()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return torch.from_numpy(cv2.dilate(hard.cpu().numpy(), disc)).float()


def in_blocks(mask: Tensor, side: int) -> Tensor:
    """(h, w) of 0 and 1: every square of `side` pixels that the mask reaches is 1."""
    height, width = mask.shape
    blocks = max_pool2d(mask[None, None], side, side, ceil_mode=True)
    return enlarged(blocks, side)[:height, :width]


def fill_area(person: Tensor, occluder: Tensor, grow: int, block: int) -> Tensor:
    """(h, w) of 0 and 1 around a person (h, w) in 0..1, in whole blocks, without what is mostly in front of the person.

    Blocks of at least LATENT pixels keep the values of latents whole: no value is partly known.
    """
    area = widened(person, grow)
    if block:
        return in_blocks(area, block) * (1 - mostly(occluder))
    return area * (occluder <= HIDDEN)


def mostly(mask: Tensor) -> Tensor:
    """(h, w) of 0 and 1: the values of latents that a mask (h, w) in 0..1 covers by more than half."""
    height, width = mask.shape
    share = avg_pool2d(mask[None, None], LATENT, LATENT, ceil_mode=True)
    return enlarged((share > HIDDEN).float(), LATENT)[:height, :width]


def enlarged(blocks: Tensor, side: int) -> Tensor:
    """(1, 1, rows, columns) to (h, w), each value a square of `side` pixels."""
    return interpolate(blocks, scale_factor=side, mode="nearest")[0, 0]
