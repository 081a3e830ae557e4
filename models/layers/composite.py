"""Layers composited to a picture again, changed or not, with depth in order and occluders on top.

A pixel is a sum of the layers visible in it: each has a coverage and a premultiplied colour, and the coverages add up to
1. An addition takes its coverage from what lies behind it and leaves what is in front of it, so objects are added in any
number and any order. Where nothing changed the original's own pixel is returned, bit for bit.
Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass, field, replace
from math import isnan, nan

import torch
from torch import Tensor

from ..depth.edit import feathered
from ..opencv import import_cv2
from .layers import Layers, NearnessClip
from .placement import EACH_PIXEL, Placement, object_nearness, share_behind
from .scene_frames import COVERED


@dataclass
class LayerPart:
    """The visible part of one layer in one frame."""

    colour: Tensor  # (H, W, 3) times its coverage
    coverage: Tensor  # (H, W)
    nearness: Tensor | None  # (H, W) where it is visible
    rank: int  # 0 scene, 1 person, 2 and up the occluders
    middle: float = nan  # the usual nearness of a person or an object


@dataclass
class Addition:
    """Something new for the picture: images and masks of the clip's size, 1 or N of them."""

    images: Tensor  # (N or 1, H, W, 3)
    mask: Tensor  # (N or 1, H, W)
    depth: NearnessClip | None = None  # (N or 1, H, W) in the units of the clip
    rank: int | None = None  # its place among the layers; None decides by depth
    placement: Placement = field(default_factory=Placement)


@dataclass
class Changes:
    """What differs from the original."""

    scene: Tensor | None = None  # (N or 1, H, W, 3)
    scene_depth: Tensor | None = None  # (N or 1, H, W) nearness
    remove_person: bool = False
    remove_occluders: bool = False
    additions: list[Addition] = field(default_factory=list)
    shadow: Tensor | None = None  # (N or 1, H, W, 3) by which the scene is multiplied, 1 where there is no shadow

    def any(self) -> bool:
        return (
            self.scene is not None
            or self.shadow is not None
            or self.remove_person
            or self.remove_occluders
            or bool(self.additions)
        )


def frame_of(clip: Tensor | NearnessClip | None, index: int) -> Tensor | None:
    """One frame of a clip of N or 1."""
    return None if clip is None else clip[index if len(clip) > 1 else 0]


def split_layers(layers: Layers, index: int, feather: float = 0.0) -> list[LayerPart]:
    """The visible part of each layer in a frame: the scene, the person, then the occluders, the nearest last.

    Where layers share a pixel, the colour that the scene does not explain belongs to the layers in front of it.
    """
    original, near = layers.images[index], layers.frame_nearness(index)
    scene = scene_picture(layers, None, index)
    person, objects = layers.coverages(index)
    coverages = [person, *reversed(objects.values())]
    middles = layers.nearness[index, [-1, *reversed(objects)]].tolist()
    if feather > 0:
        coverages = feather_masks(coverages, feather)
    far = frame_of(layers.scene_depth, index)
    total = sum(coverages)
    clear = (1 - total).clamp_min(0)
    rest = ((original - clear[..., None] * scene) / total.clamp_min(1e-6)[..., None]).clamp(*colour_range(original))
    parts = [
        LayerPart(cover[..., None] * rest, cover, near, 1 + i, middle)
        for i, (cover, middle) in enumerate(zip(coverages, middles, strict=True))
    ]
    colour = original - sum(part.colour for part in parts)  # the layers add up to the original whatever the masks
    return [LayerPart(colour, clear, near if far is None else far, 0), *parts]


def feather_masks(coverages: list[Tensor], pixels: float) -> list[Tensor]:
    """(H, W) masks with edges that fade over some pixels; together they still cover no more than the picture."""
    soft = [feathered(cover, pixels) for cover in coverages]
    total = sum(soft).clamp_min(1)
    return [cover / total for cover in soft]


def merge_layers(parts: list[LayerPart]) -> tuple[Tensor, Tensor | None]:
    """(H, W, 3) picture, and (H, W) nearness of the layer that covers most of each pixel."""
    picture = sum((part.colour for part in parts[1:]), parts[0].colour)
    if any(part.nearness is None for part in parts):
        return picture, None
    near, most = parts[0].nearness, parts[0].coverage
    for part in parts[1:]:
        near = torch.where(part.coverage > most, part.nearness, near)
        most = torch.maximum(most, part.coverage)
    return picture, near


def remove_ranks(parts: list[LayerPart], ranks: set[int], scene: Tensor) -> list[LayerPart]:
    """The layers without those of some ranks, in whose place the scene (H, W, 3) is visible."""
    removed = [part.coverage for part in parts if part.rank in ranks]
    if not removed:
        return parts
    cover = sum(removed, parts[0].coverage)
    kept = [part for part in parts[1:] if part.rank not in ranks]
    return [LayerPart(cover[..., None] * scene, cover, parts[0].nearness, 0), *kept]


def filled_rim(parts: list[LayerPart], ranks: set[int], filled: Tensor) -> Tensor:
    """(H, W) bool the scene that was filled around layers that are removed, of filled (H, W): the scene is not the frame.

    The scene is filled around the layers that stay too, whose surroundings keep their pixels: each pixel goes with the
    nearest layer.
    """
    covered = lambda chosen: sum((part.coverage for part in parts[1:] if (part.rank in ranks) == chosen), filled * 0.0)
    removed, kept = (covered(chosen) > COVERED for chosen in (True, False))
    if not removed.any():
        return removed
    rim = filled & (parts[0].coverage > 0)
    return rim & (distance_to(removed) < distance_to(kept)) if kept.any() else rim


def distance_to(area: Tensor) -> Tensor:
    """(H, W) pixels from each pixel to the nearest one of an area (H, W) bool."""
    cv2 = import_cv2()
    outside = (~area).to(torch.uint8).cpu().numpy()
    return torch.from_numpy(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)).to(area.device)


def shade_scene(parts: list[LayerPart], shadow: Tensor) -> tuple[list[LayerPart], Tensor]:
    """The layers with the scene multiplied by a shadow (H, W, 3), and where that changes it, (H, W) bool."""
    scene = replace(parts[0], colour=parts[0].colour * shadow)
    return [scene, *parts[1:]], (shadow != 1).any(-1) & (scene.coverage > 0)


def insert(parts: list[LayerPart], new: Addition, index: int) -> list[LayerPart]:
    """An addition among the layers: it covers what is behind it and is covered by what is in front of it."""
    mask, picture, near = (frame_of(clip, index) for clip in (new.mask, new.images, new.depth))
    ground = None
    if new.rank is None:
        near, ground = object_nearness(new.placement, mask, near, parts[0].nearness, parts[0].coverage > 0.5)
    free = torch.zeros_like(mask)
    out = []
    for part in parts:
        behind = share_of_layer_behind(part, new, near)
        if part.rank == 0 and ground is not None:
            behind = behind.where(~ground, 1.0)
        free = free + part.coverage * behind
        rest = 1 - mask * behind
        out.append(replace(part, colour=part.colour * rest[..., None], coverage=part.coverage * rest))
    cover = mask * free
    if near is None:
        near = parts[0].nearness if new.rank is None else nearness_of_rank(parts, new.rank)
    return [*out, LayerPart(cover[..., None] * picture, cover, near, 1 if new.rank is None else new.rank)]


def share_of_layer_behind(part: LayerPart, new: Addition, near: Tensor | None) -> Tensor:
    """(H, W) how much of a layer lies behind an addition, by its rank or by its nearness (H, W), from 0 to 1.

    An addition of one nearness is compared with one nearness of a person or an object: where depth is estimated, single
    pixels of both overlap.
    """
    if new.rank is not None or near is None or part.nearness is None:
        return torch.full_like(part.coverage, float(part.rank <= (1 if new.rank is None else new.rank)))
    pixels = new.placement.object_depth == EACH_PIXEL or part.rank == 0 or isnan(part.middle)
    layer = part.nearness if pixels else torch.full_like(near, part.middle)
    return share_behind(layer, near, new.placement.tolerance * new.placement.span).to(part.coverage)


def nearness_of_rank(parts: list[LayerPart], rank: int) -> Tensor | None:
    """(H, W) nearness for an addition without depth of its own: that of the layer whose place it takes."""
    own = next((part for part in parts if part.rank == rank), parts[0])
    return own.nearness


def composite_frame(
    layers: Layers, changes: Changes, index: int, feather: float = 0.0
) -> tuple[Tensor, Tensor | None, Tensor]:
    """One frame: picture (H, W, 3), nearness (H, W) or None, and where it changed (H, W) as 0 or 1."""
    original, own = layers.images[index], layers.frame_nearness(index)
    if not changes.any():
        return original, own, torch.zeros_like(original[..., 0])
    parts, changed = replace_scene(split_layers(layers, index, feather), layers, changes, index)
    ranks = {part.rank for part in parts if part.rank > 1} if changes.remove_occluders else set()
    ranks |= {1} if changes.remove_person else set()
    if ranks:
        changed |= filled_rim(parts, ranks, (scene_picture(layers, None, index) != original).any(-1))
    for part in parts:
        changed |= (part.coverage > 0) & (part.rank in ranks)
    parts = remove_ranks(parts, ranks, scene_picture(layers, changes, index))
    if changes.shadow is not None:
        parts, dark = shade_scene(parts, frame_of(changes.shadow, index))
        changed |= dark
    for new in changes.additions:
        parts = insert(parts, new, index)
        changed |= parts[-1].coverage > 0
    picture, near = merge_layers(parts)
    near = near if near is None or own is None else torch.where(changed, near, own)
    return torch.where(changed[..., None], picture.clamp(*colour_range(original)), original), near, changed.float()


def colour_range(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The colours that a picture (H, W, 3) may have: 0 to 1, and as far beyond as it already goes in HDR."""
    low, high = picture.aminmax()
    return low.clamp_max(0), high.clamp_min(1)


def scene_picture(layers: Layers, changes: Changes | None, index: int) -> Tensor:
    """(H, W, 3) the scene behind the person: the new one, else the filled one, else the original."""
    for clip in (changes and changes.scene, layers.scene):
        if clip is not None:
            return frame_of(clip, index)
    return layers.images[index]


def replace_scene(
    parts: list[LayerPart], layers: Layers, changes: Changes, index: int
) -> tuple[list[LayerPart], Tensor]:
    """The layers with another scene, and where it differs from the old one, (H, W) bool."""
    if changes.scene is None:
        return parts, torch.zeros(layers.size, dtype=torch.bool, device=layers.images.device)
    cover, new, far = parts[0].coverage, frame_of(changes.scene, index), frame_of(changes.scene_depth, index)
    other = (new != scene_picture(layers, None, index)).any(-1) & (cover > 0)
    near = parts[0].nearness if far is None else far
    return [LayerPart(cover[..., None] * new, cover, near, 0), *parts[1:]], other
