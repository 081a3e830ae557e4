"""Pictures of a flow: its directions as colours, its offsets as arrows.

Flow is in pixels, last axis (dx, dy). Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..opencv import import_cv2
from .wheels import HIDDEN, paint

INK = (1.0, 0.85, 0.1)
OFTEN = 20_000  # arrows, about a second


def max_motion_of(flow: Tensor) -> float:
    """The length that 99 % of the offsets of (N, H, W, 2) stay below, and at least half a pixel."""
    length = flow.norm(dim=-1).flatten()
    return max(0.5, length.kthvalue(max(1, round(0.99 * len(length)))).values.item())


def wheel(flow: Tensor, valid: Tensor, max_motion: float, name: str = "Duet") -> Tensor:
    """(N, H, W, 2) and (N, H, W) to (N, H, W, 3): the hue is the direction, on white darker where the flow is not valid."""
    colours = paint(flow / max_motion, name)
    return colours if name == "HSV" else colours * (HIDDEN + (1 - HIDDEN) * valid.clamp(0, 1))[..., None]


def arrows(
    flow: Tensor, valid: Tensor, pictures: Tensor, spacing: int, length: float, look: Callable[[], None] = lambda: None
) -> Tensor:
    """An arrow every `spacing` pixels of (N, H, W, 3) pictures, `length` times as long as the offset; none in holes.

    `look` is called once in a while, so that a long drawing can be stopped.
    """
    return torch.stack(
        [one_of_arrows(*frame, spacing, length, look) for frame in zip(flow, valid, pictures, strict=True)]
    )


def one_of_arrows(flow: Tensor, valid: Tensor, picture: Tensor, spacing: int, length: float, look) -> Tensor:
    """(H, W, 3) with the arrows of one frame."""
    cv2, places, drawn = import_cv2(), slice(spacing // 2, None, spacing), 0
    canvas = picture.cpu().contiguous().clone().numpy()
    offsets, visible = (length * flow[places, places]).tolist(), (valid[places, places] > 0.5).tolist()
    for row, (line, shown) in enumerate(zip(offsets, visible, strict=True)):
        for column, ((dx, dy), there) in enumerate(zip(line, shown, strict=True)):
            if there and dx * dx + dy * dy >= 1:
                x, y = (spacing // 2 + spacing * place for place in (column, row))
                cv2.arrowedLine(canvas, (x, y), (round(x + dx), round(y + dy)), INK, 1, cv2.LINE_AA, 0, 0.3)
                drawn += 1
                if drawn % OFTEN == 0:
                    look()
    return torch.from_numpy(canvas).clamp_(0, 1)
