"""Flow fields of any size: scaled, accumulated, composed, and as the sampling grids of latent flow models.

An offset is in pixels of the field's own size, last axis (dx, dy): pixel (x, y) is found at (x + dx, y + dy) of where the
field leads. A flow is valid (1) where the point is visible there, else 0. Letters: N frames, P pairs of neighbours,
C channels, H and W pixels of a picture, h and w of a field.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import Report, silent
from .warp import warp


class Field(NamedTuple):
    offset: Tensor  # (N, h, w, 2)
    valid: Tensor  # (N, h, w)

    def frame(self, index: int) -> "Field":
        """One frame of N, as a field of N = 1."""
        return Field(self.offset[index : index + 1], self.valid[index : index + 1])

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.valid.shape[1:])

    def to(self, device: torch.device) -> "Field":
        return Field(self.offset.to(device), self.valid.to(device))


def pixel_positions(height: int, width: int, like: Tensor) -> Tensor:
    """(h, w, 2): the position of each pixel."""
    axes = (torch.arange(side, device=like.device, dtype=like.dtype) for side in (height, width))
    y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack((x, y), -1)


def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), smoothly in both directions."""
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    smaller = values.shape[-2] > size[0]
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False, antialias=smaller)


def scaled(field: Field, size: tuple[int, int]) -> Field:
    """The same motion for pictures of another size."""
    if field.size == tuple(size):
        return field
    ratio = field.offset.new_tensor([size[1] / field.size[1], size[0] / field.size[0]])
    offset = resized(field.offset.movedim(-1, 1), size).movedim(1, -1) * ratio
    return Field(offset, resized(field.valid[:, None], size)[:, 0])


def proportional(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two (height, width) have one shape, within a pixel of the smaller."""
    (a, b), (c, d) = first, second
    return abs(b * c - d * a) * min(a, b, c, d) <= max(b * c, d * a)


def from_grid(grid: Tensor, occlusion: Tensor) -> Field:
    """(N, h, w, 2) sampling grids with -1 and 1 on the borders of the picture, (N, 1, h, w) occlusion."""
    height, width = grid.shape[1:3]
    side = grid.new_tensor([width, height])
    return Field(((grid + 1) * side - 1) / 2 - pixel_positions(height, width, grid), occlusion[:, 0])


def to_grid(field: Field) -> tuple[Tensor, Tensor]:
    """The reverse: (N, h, w, 2) sampling grids and (N, 1, h, w) occlusion."""
    height, width = field.size
    side = field.offset.new_tensor([width, height])
    return (2 * (field.offset + pixel_positions(height, width, field.offset)) + 1) / side - 1, field.valid[:, None]


def inside(offset: Tensor) -> Tensor:
    """(N, h, w) bool: the offset leads to a point in the picture."""
    height, width = offset.shape[1:3]
    there = offset + pixel_positions(height, width, offset) + 0.5
    return (there >= 0).all(-1) & (there[..., 0] <= width) & (there[..., 1] <= height)


def fetch(pictures: Tensor, offset: Tensor) -> Tensor:
    """(N, C, h, w) pictures read where (N, h, w, 2) leads; the border is repeated."""
    return warp(pictures.movedim(1, -1), offset).movedim(-1, 1)


def fetch_mask(mask: Tensor, offset: Tensor) -> Tensor:
    """(1 or N, h, w) masks read where (N, h, w, 2) leads; 0 outside."""
    mask = mask.expand(len(offset), -1, -1)[:, None]
    return fetch(mask.to(offset), offset)[:, 0] * inside(offset)


def moved(pictures: Tensor, field: Field, fill: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(N, C, h, w) pictures fetched through a field of their size, and the holes (N, h, w) of the result.

    A fill of the same shape is put into the holes; without it they keep whatever the field leads to.
    """
    valid = field.valid * inside(field.offset)
    out = fetch(pictures, field.offset.to(pictures.dtype))
    if fill is not None:
        visible = valid[:, None].to(out.dtype)
        out = out * visible + fill * (1 - visible)
    return out, 1 - valid


def accumulated(back: Field, report: Report = silent) -> Field:
    """P fields from each frame to the one before to N = P + 1 fields from each frame to the first."""
    out = zero_flow(len(back.valid) + 1, back.size, back.offset)
    for i, (offset, valid) in enumerate(zip(*back, strict=True)):
        last = torch.cat((out.offset[i], out.valid[i][..., None]), -1)
        moved_last = warp(last[None], offset[None])[0]
        out.offset[i + 1] = offset + moved_last[..., :2]
        out.valid[i + 1] = moved_last[..., 2] * valid * inside(offset[None])[0]
        report(i + 1)
    return out


def zero_flow(frames: int, size: tuple[int, int], like: Tensor) -> Field:
    """A field without motion, valid everywhere."""
    return Field(like.new_zeros(frames, *size, 2), like.new_ones(frames, *size))


def placed(field: Field, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[Field, Tensor]:
    """A field scaled into a box (x, y, width, height) of a larger one without motion, and the box as bool (*size)."""
    x, y, width, height = box
    box_mask = torch.zeros(size, dtype=torch.bool, device=field.valid.device)
    box_mask[y : y + height, x : x + width] = True
    whole, part = zero_flow(len(field.valid), size, field.valid), scaled(field, (height, width))
    whole.offset[:, box_mask], whole.valid[:, box_mask] = part.offset.flatten(1, 2), part.valid.flatten(1)
    return whole, box_mask


def composed(
    object_field: Field, scene_field: Field, mask: Tensor, of_still: bool, box_mask: Tensor | None = None
) -> Field:
    """The field of the object inside its mask, that of the scene outside, both of one size.

    A mask (1, h, w) of the still image moves with its object; where the scene's field would show the object a second
    time there is a hole. A mask (1 or N, h, w) of the frames does not move. The object's field counts in `box_mask` only.
    """
    offset, valid = object_field
    inside_mask = (fetch_mask(mask, offset) if of_still else mask.to(offset).expand_as(valid)) > 0.5
    if box_mask is not None:
        inside_mask = inside_mask & box_mask
    scene_valid = scene_field.valid
    if of_still:
        scene_valid = scene_valid * (fetch_mask(mask, scene_field.offset) <= 0.5)
    offset = torch.where(inside_mask[..., None], offset, scene_field.offset)
    return Field(offset, torch.where(inside_mask, valid, scene_valid))
