"""Flow fields of any size: scaled, followed, put together, and as the sampling grids of latent flow models.

An offset is in pixels of the field's own size, last axis (dx, dy): pixel (x, y) is found at (x + dx, y + dy) of where the
field leads. A share is 1 where the point is seen there, 0 where it is not. Letters: N frames, P pairs of neighbours,
C channels, H and W pixels of a picture, h and w of a field.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .warp import warp


class Field(NamedTuple):
    offset: Tensor  # (N, h, w, 2)
    share: Tensor  # (N, h, w)

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.share.shape[1:])

    def to(self, device: torch.device) -> "Field":
        return Field(self.offset.to(device), self.share.to(device))


def places(height: int, width: int, like: Tensor) -> Tensor:
    """(h, w, 2): the pixel that each point is."""
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
    return Field(offset, resized(field.share[:, None], size)[:, 0])


def proportional(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two (height, width) have one shape, within a pixel of the smaller."""
    (a, b), (c, d) = first, second
    return abs(b * c - d * a) * min(a, b, c, d) <= max(b * c, d * a)


def from_grid(grid: Tensor, occlusion: Tensor) -> Field:
    """(N, h, w, 2) sampling grids with -1 and 1 on the borders of the picture, (N, 1, h, w) occlusion."""
    height, width = grid.shape[1:3]
    side = grid.new_tensor([width, height])
    return Field(((grid + 1) * side - 1) / 2 - places(height, width, grid), occlusion[:, 0])


def to_grid(field: Field) -> tuple[Tensor, Tensor]:
    """The way back: (N, h, w, 2) sampling grids and (N, 1, h, w) occlusion."""
    height, width = field.size
    side = field.offset.new_tensor([width, height])
    return (2 * (field.offset + places(height, width, field.offset)) + 1) / side - 1, field.share[:, None]


def inside(offset: Tensor) -> Tensor:
    """(N, h, w) bool: the offset leads to a place in the picture."""
    height, width = offset.shape[1:3]
    there = offset + places(height, width, offset) + 0.5
    return (there >= 0).all(-1) & (there[..., 0] <= width) & (there[..., 1] <= height)


def fetch(pictures: Tensor, offset: Tensor) -> Tensor:
    """(N, C, h, w) pictures read where (N, h, w, 2) leads; the border is repeated."""
    return warp(pictures.movedim(1, -1), offset).movedim(-1, 1)


def fetch_mask(mask: Tensor, offset: Tensor) -> Tensor:
    """(1 or N, h, w) masks read where (N, h, w, 2) leads; 0 outside."""
    mask = mask.expand(len(offset), -1, -1)[:, None]
    return fetch(mask.to(offset), offset)[:, 0] * inside(offset)


def moved(pictures: Tensor, field: Field, fill: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(N, C, h, w) pictures fetched through a field of their size, and the holes (N, h, w) where they show nothing.

    A fill of the same shape shows in the holes; without it they show what the field leads to all the same.
    """
    share = field.share * inside(field.offset)
    out = fetch(pictures, field.offset.to(pictures.dtype))
    if fill is not None:
        seen = share[:, None].to(out.dtype)
        out = out * seen + fill * (1 - seen)
    return out, 1 - share


def accumulated(back: Field) -> Field:
    """P fields from each frame to the one before to N = P + 1 fields from each frame to the first."""
    offsets, shares = [torch.zeros_like(back.offset[0])], [torch.ones_like(back.share[0])]
    for offset, share in zip(*back, strict=True):
        last = torch.cat((offsets[-1], shares[-1][..., None]), -1)
        way = warp(last[None], offset[None])[0]
        offsets.append(offset + way[..., :2])
        shares.append(way[..., 2] * share * inside(offset[None])[0])
    return Field(torch.stack(offsets), torch.stack(shares))


def rest(frames: int, size: tuple[int, int], like: Tensor) -> Field:
    """Nothing moves."""
    return Field(like.new_zeros(frames, *size, 2), like.new_ones(frames, *size))


def placed(field: Field, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[Field, Tensor]:
    """A field scaled into a box (x, y, width, height) of a larger one that rests, and the box as bool (*size)."""
    x, y, width, height = box
    here = torch.zeros(size, dtype=torch.bool, device=field.share.device)
    here[y : y + height, x : x + width] = True
    whole, part = rest(len(field.share), size, field.share), scaled(field, (height, width))
    whole.offset[:, here], whole.share[:, here] = part.offset.flatten(1, 2), part.share.flatten(1)
    return whole, here


def composed(over: Field, below: Field, mask: Tensor, of_picture: bool, here: Tensor | None = None) -> Field:
    """The field `over` for the object in a mask, `below` for all else, both of one size.

    A mask (1 or N, h, w) of the picture that all frames are fetched from moves with its object; where `below` would
    fetch the object a second time there is a hole. A mask of the frames is taken as it is. `over` counts in `here` only.
    """
    its = fetch_mask(mask, over.offset) if of_picture else mask.to(over.offset).expand_as(over.share)
    its = its > 0.5 if here is None else (its > 0.5) & here
    share = below.share
    if of_picture:
        share = share * (fetch_mask(mask, below.offset) <= 0.5)
    return Field(torch.where(its[..., None], over.offset, below.offset), torch.where(its, over.share, share))
