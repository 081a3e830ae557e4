"""The pieces of plane that a picture with depth is made of, and what is seen of them.

Letters: H and W pixels of the old picture, h and w of the new one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

OVERLAP = 0.1  # pixels by which pieces of one surface reach over each other, so that rounding opens no gap
SIDEWAYS = 1e-9  # area of a piece in the new picture below which it is seen edge-on, or from behind
WIDEST = 64  # pixels of the new picture: larger pieces, of points nearly at the camera, are not drawn
NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class View:
    """What another camera sees."""

    picture: Tensor  # (h, w, C), 0 in holes
    depth: Tensor  # (h, w) metres, NaN in holes
    holes: Tensor  # (h, w) bool


def reach(joined: Tensor, axis: int) -> Tensor:
    """(H, W) how far a piece reaches along an axis: half a pixel, and a little more within a surface."""
    return 0.5 + OVERLAP * (joined & torch.roll(joined, 1, axis)).float()  # the last are never joined
