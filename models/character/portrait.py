"""The picture of a character as its model reads it.

Letters: N pictures, H and W pixels.
"""

import torch.nn.functional as F
from torch import Tensor

from ..pair.foreground import person_alone

WHITE = (1.0, 1.0, 1.0)


def portrait(images: Tensor, mask: Tensor | None, width: int, height: int) -> Tensor:
    """(N, H, W, 3) pictures to (N, height, width, 3): the whole character on white, in the middle."""
    images = person_alone(images, mask, WHITE).movedim(-1, 1)
    scale = min(height / images.shape[2], width / images.shape[3])
    size = [max(1, round(side * scale)) for side in images.shape[2:]]
    small = F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    (top, down), (left, right) = ((free // 2, free - free // 2) for free in (height - size[0], width - size[1]))
    return F.pad(small, (left, right, top, down), value=1.0).movedim(1, -1)
