"""Layers to a picture again, changed or not, with depth in order and the occluder on top.

A pixel is a sum of what is seen there: each layer has a coverage and a premultiplied colour, and the coverages add up
to 1. Something new takes its share from what lies behind it and leaves what is before it, so objects go in in any
number and any order. Where nothing changed the source's own pixel is given back, bit for bit.
Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..depth.edit import feathered
from .layers import Layers, NearnessClip


@dataclass
class Seen:
    """One layer at one frame."""

    colour: Tensor  # (H, W, 3) times its coverage
    cover: Tensor  # (H, W)
    near: Tensor | None  # (H, W) nearness where it is seen
    rank: int  # 0 scene, 1 person, 2 and up what stands before


@dataclass
class Addition:
    """Something to be put in: pictures and masks of the clip's size, 1 or N of them."""

    images: Tensor  # (N or 1, H, W, 3)
    mask: Tensor  # (N or 1, H, W)
    depth: NearnessClip | None = None  # (N or 1, H, W) in the units of the clip
    rank: int | None = None  # its place among the layers; None lets depth decide pixel by pixel


@dataclass
class Changes:
    """What is to be another than it was."""

    scene: Tensor | None = None  # (N or 1, H, W, 3)
    scene_depth: Tensor | None = None  # (N or 1, H, W) nearness
    remove_person: bool = False
    remove_objects: bool = False
    additions: list[Addition] = field(default_factory=list)

    def any(self) -> bool:
        return self.scene is not None or self.remove_person or self.remove_objects or bool(self.additions)


def frame_of(clip: Tensor | NearnessClip | None, index: int) -> Tensor | None:
    """One frame of a clip of N or 1."""
    return None if clip is None else clip[index if len(clip) > 1 else 0]


def split(layers: Layers, index: int, soften: float = 0.0) -> list[Seen]:
    """What is seen of every layer in a frame: the scene, the person, then what stands before, the nearest last.

    Where layers share a pixel, what the scene does not explain of it belongs to the layer that is there.
    """
    source, near, scene = layers.images[index], layers.near(index), behind(layers, None, index)
    human, objects = layers.covers(index)
    covers = [human, *reversed(objects.values())]
    if soften > 0:
        covers = softened(covers, soften)
    far = frame_of(layers.scene_depth, index)
    total = sum(covers)
    clear = (1 - total).clamp_min(0)
    rest = ((source - clear[..., None] * scene) / total.clamp_min(1e-6)[..., None]).clamp(0, 1)
    parts = [Seen(cover[..., None] * rest, cover, near, 1 + i) for i, cover in enumerate(covers)]
    left = source - sum(part.colour for part in parts)  # so that the layers add up to the source whatever the masks
    return [Seen(left, clear, near if far is None else far, 0), *parts]


def softened(covers: list[Tensor], pixels: float) -> list[Tensor]:
    """(H, W) masks with edges that fade over some pixels; together they still cover no more than the picture."""
    soft = [feathered(cover, pixels) for cover in covers]
    total = sum(soft).clamp_min(1)
    return [cover / total for cover in soft]


def merge(parts: list[Seen]) -> tuple[Tensor, Tensor | None]:
    """(H, W, 3) picture, and (H, W) nearness of whatever covers most of each pixel."""
    picture = sum((part.colour for part in parts[1:]), parts[0].colour)
    if any(part.near is None for part in parts):
        return picture, None
    near, most = parts[0].near, parts[0].cover
    for part in parts[1:]:
        near = torch.where(part.cover > most, part.near, near)
        most = torch.maximum(most, part.cover)
    return picture, near


def give_back(parts: list[Seen], ranks: set[int], scene: Tensor) -> list[Seen]:
    """The layers of some ranks gone: the scene (H, W, 3) is seen where they were."""
    gone = [part.cover for part in parts if part.rank in ranks]
    if not gone:
        return parts
    cover = sum(gone, parts[0].cover)
    kept = [part for part in parts[1:] if part.rank not in ranks]
    return [Seen(cover[..., None] * scene, cover, parts[0].near, 0), *kept]


def insert(parts: list[Seen], new: Addition, index: int) -> list[Seen]:
    """Something new among the layers: it covers what is behind it and is covered by what is before it."""
    mask, picture, near = (frame_of(clip, index) for clip in (new.mask, new.images, new.depth))
    free = torch.zeros_like(mask)
    out = []
    for part in parts:
        behind = is_behind(part, new.rank, near)
        free = free + part.cover * behind
        stays = 1 - mask * behind
        out.append(Seen(part.colour * stays[..., None], part.cover * stays, part.near, part.rank))
    cover = mask * free
    near = near if near is not None else parts[0].near if new.rank is None else nearest(parts, new.rank)
    return [*out, Seen(cover[..., None] * picture, cover, near, 1 if new.rank is None else new.rank)]


def is_behind(part: Seen, rank: int | None, near: Tensor | None) -> Tensor:
    """(H, W) 1 where a layer lies behind something new of that rank, or at that nearness."""
    if rank is not None or near is None or part.near is None:
        return torch.full_like(part.cover, float(part.rank <= (1 if rank is None else rank)))
    return (part.near <= near).to(part.cover)


def nearest(parts: list[Seen], rank: int) -> Tensor | None:
    """(H, W) nearness for something without a depth of its own: that of the layer whose place it takes."""
    own = next((part for part in parts if part.rank == rank), parts[0])
    return own.near


def composite_frame(
    layers: Layers, changes: Changes, index: int, soften: float = 0.0
) -> tuple[Tensor, Tensor | None, Tensor]:
    """One frame: picture (H, W, 3), nearness (H, W) or None, and where it changed (H, W) as 0 or 1."""
    source, own = layers.images[index], layers.near(index)
    if not changes.any():
        return source, own, torch.zeros_like(source[..., 0])
    parts, changed = with_scene(split(layers, index, soften), layers, changes, index)
    ranks = {part.rank for part in parts if part.rank > 1} if changes.remove_objects else set()
    ranks |= {1} if changes.remove_person else set()
    if ranks:  # the rim that was filled around the masks goes with them
        changed |= ((behind(layers, None, index) != source).any(-1)) & (parts[0].cover > 0)
    for part in parts:
        changed |= (part.cover > 0) & (part.rank in ranks)
    parts = give_back(parts, ranks, behind(layers, changes, index))
    for new in changes.additions:
        parts = insert(parts, new, index)
        changed |= parts[-1].cover > 0
    picture, near = merge(parts)
    near = near if near is None or own is None else torch.where(changed, near, own)
    return torch.where(changed[..., None], picture.clamp(0, 1), source), near, changed.float()


def behind(layers: Layers, changes: Changes | None, index: int) -> Tensor:
    """(H, W, 3) what the picture shows where nobody is: the new scene, else the completed one, else the source."""
    for clip in (changes and changes.scene, layers.scene):
        if clip is not None:
            return frame_of(clip, index)
    return layers.images[index]


def with_scene(parts: list[Seen], layers: Layers, changes: Changes, index: int) -> tuple[list[Seen], Tensor]:
    """The layers before another scene, and where that is another, (H, W) bool."""
    if changes.scene is None:
        return parts, torch.zeros(layers.size, dtype=torch.bool, device=layers.images.device)
    cover, new, far = parts[0].cover, frame_of(changes.scene, index), frame_of(changes.scene_depth, index)
    other = (new != behind(layers, None, index)).any(-1) & (cover > 0)
    return [Seen(cover[..., None] * new, cover, parts[0].near if far is None else far, 0), *parts[1:]], other
