"""Pictures of a flow: its directions as colours, its offsets as arrows.

Flow is in pixels, last axis (dx, dy). Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

from ..opencv import import_cv2
from .warp import colour_wheel

INK = (1.0, 0.85, 0.1)


def max_motion_of(flow: Tensor) -> float:
    """The length that 99 % of the offsets of (N, H, W, 2) stay below, and at least half a pixel."""
    length = flow.norm(dim=-1).flatten()
    return max(0.5, length.kthvalue(max(1, round(0.99 * len(length)))).values.item())


def wheel(flow: Tensor, valid: Tensor, max_motion: float) -> Tensor:
    """(N, H, W, 2) and (N, H, W) to (N, H, W, 3): the hue is the direction, darker where the flow is not valid."""
    return colour_wheel(flow, max_motion) * (0.4 + 0.6 * valid.clamp(0, 1))[..., None]


def arrows(flow: Tensor, valid: Tensor, pictures: Tensor, spacing: int, length: float) -> Tensor:
    """An arrow every `spacing` pixels of (N, H, W, 3) pictures, `length` times as long as the offset; none in holes."""
    cv2 = import_cv2()
    height, width = flow.shape[1:3]
    drawn = []
    for offset, visible, picture in zip(flow.cpu(), valid.cpu(), pictures.cpu(), strict=True):
        canvas = picture.contiguous().clone().numpy()
        for y in range(spacing // 2, height, spacing):
            for x in range(spacing // 2, width, spacing):
                dx, dy = (length * offset[y, x]).tolist()
                if visible[y, x] > 0.5 and dx * dx + dy * dy >= 1:
                    cv2.arrowedLine(canvas, (x, y), (round(x + dx), round(y + dy)), INK, 1, cv2.LINE_AA, 0, 0.3)
        drawn.append(torch.from_numpy(canvas))
    return torch.stack(drawn).clamp(0, 1)
