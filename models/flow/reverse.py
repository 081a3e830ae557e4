"""A flow turned around: from where it leads back to where it comes from.

Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

from .fields import Field, pixel_positions
from .frames import Report, frame_by_frame, silent

COVERED = 0.25  # share of a pixel that must be reached
IN_FRONT = (
    4.0  # how much more the longest motion of a frame counts than none where two arrive: what moves is mostly in front
)


def reverse(field: Field, report: Report = silent) -> Field:
    """A field (N, H, W) from frame to frame as the field back; where nothing arrives it is zero and not valid."""
    return Field(*frame_by_frame(lambda i: reverse_frame(field.offset[i], field.valid[i]), len(field.valid), report))


def reverse_frame(offset: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W, 2) offsets and (H, W) where they count to those of the frame that they lead to.

    Each offset is handed to the four pixels around its end by their nearness; what arrives together is averaged.
    """
    height, width = valid.shape
    there = offset + pixel_positions(height, width, offset)
    length = offset.norm(dim=-1)
    front = torch.exp(IN_FRONT * length / length.max().clamp_min(1e-6)) * (valid > 0.5)
    corner = there.floor()
    share = there - corner
    total = offset.new_zeros(height * width, 4)  # offset, weight, nearness
    for x in (0, 1):
        for y in (0, 1):
            near = (share[..., 0] if x else 1 - share[..., 0]) * (share[..., 1] if y else 1 - share[..., 1])
            column, row = corner[..., 0].long() + x, corner[..., 1].long() + y
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = near * front
            values = torch.cat((offset * weight[..., None], weight[..., None], (near * (valid > 0.5))[..., None]), -1)
            total.index_add_(0, (row * width + column)[inside], values[inside])
    total = total.view(height, width, 4)
    reached = total[..., 3] > COVERED
    back = -total[..., :2] / total[..., 2:3].clamp_min(1e-6)
    return back * reached[..., None], reached.float()
