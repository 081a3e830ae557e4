"""Boxes that follow a subject, cut out of a clip and put back without a seam.

Within one clip the box keeps its size and only glides, so the subject keeps its scale; a subject that becomes much
larger or smaller, or a clip longer than a model takes, begins a new clip that overlaps the one before.
Letters: N frames, n frames of one clip, H and W pixels of the picture, h and w of a box, C channels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ..character.gaps import filled

SHRINKS = 0.25  # of the largest area so far: a subject smaller than that begins a new clip
ALIKE = 0.5 / 255  # a pixel that differs by less is unchanged


@dataclass(frozen=True)
class Clip:
    start: int
    boxes: Tensor  # (n, 4) int64: left, top, right, bottom in pixels, which may lie outside the picture

    @property
    def stop(self) -> int:
        return self.start + len(self.boxes)


@dataclass(frozen=True)
class Crop:
    """Where the pictures of a crop come from; the keys of the socket are these names."""

    frames: int
    size: tuple[int, int]  # H, W
    picture: tuple[int, int] | None  # height and width of the cut pictures; None: as large as their box
    clips: list[Clip]


@dataclass(frozen=True)
class Framing:
    padding: float = 0.1  # of the subject's size on every side
    smooth: int = 9  # frames that the way of the box is averaged over
    longest: int = 0  # frames of a clip, 0 for no limit
    overlap: int = 4
    multiple: int = 8
    picture: tuple[int, int] | None = None


def subject_bounds(mask: Callable[[int], Tensor], frames: int) -> Tensor:
    """(N, 4) left, top, right, bottom around each mask; frames without a subject lie between their neighbours."""
    out = torch.full((frames, 4), torch.nan)
    for index in range(frames):
        here = mask(index) > 0.5
        rows, columns = here.any(1).nonzero()[:, 0], here.any(0).nonzero()[:, 0]
        if len(rows):
            out[index] = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=torch.float32)
    if torch.isnan(out).all():
        raise ValueError(
            f"mask: expected the subject in at least one of {frames} frames, got only empty masks: check what makes them."
        )
    return torch.stack([filled(side) for side in out.unbind(1)], 1)


def plan(mask: Callable[[int], Tensor], frames: int, size: tuple[int, int], framing: Framing) -> Crop:
    """Follow the subject of N masks (H, W) through a clip."""
    bounds = subject_bounds(mask, frames)
    centre = glided((bounds[:, :2] + bounds[:, 2:]) / 2, framing.smooth)
    reach = torch.maximum(bounds[:, 2:] - centre, centre - bounds[:, :2]) * 2 * (1 + 2 * framing.padding)
    extent = bounds[:, 2:] - bounds[:, :2]
    clips = [
        Clip(start, boxes(centre[start:stop], reach[start:stop].amax(0), size, framing))
        for start, stop in cuts(extent.prod(1).tolist(), framing)
    ]
    return Crop(frames, size, framing.picture, clips)


def glided(path: Tensor, window: int) -> Tensor:
    """(N, 2) averaged over some frames twice, so that it neither trembles nor lags."""
    window = min(window, len(path)) | 1
    for _ in range(2):
        padded = torch.nn.functional.pad(path.T[None], (window // 2, window // 2), mode="replicate")
        path = torch.nn.functional.avg_pool1d(padded, window, 1)[0].T
    return path


def cuts(areas: list[float], framing: Framing) -> list[tuple[int, int]]:
    """Start and stop of each clip by the area of the subject in each frame; neighbours share some frames."""
    out, start, low, high = [], 0, areas[0], areas[0]
    for index, area in enumerate(areas):
        low, high = min(low, area), max(high, area)
        full = framing.longest and index - start >= framing.longest
        if index - start > framing.overlap and (full or low < SHRINKS * high):
            out.append((start, index))
            start, low, high = index - framing.overlap, area, area
    return [*out, (start, len(areas))]


def boxes(centre: Tensor, reach: Tensor, size: tuple[int, int], framing: Framing) -> Tensor:
    """(n, 2) centres and the (2,) width and height that all need, to boxes (n, 4) of one size inside the picture."""
    wide, high = reach.tolist()
    if framing.picture is not None:
        ratio = framing.picture[1] / framing.picture[0]
        wide, high = max(wide, high * ratio), max(high, wide / ratio)
        whole = [max(1, round(side)) for side in (wide, high)]
    else:
        whole = [framing.multiple * math.ceil(side / framing.multiple) for side in (wide, high)]
    low = torch.empty(len(centre), 2, dtype=torch.int64)
    for axis, (side, limit) in enumerate(zip(whole, (size[1], size[0]), strict=True)):
        place = (centre[:, axis] - side / 2).round().long()
        low[:, axis] = place.clamp(0, limit - side) if side <= limit else torch.tensor((limit - side) // 2)
    return torch.cat((low, low + torch.tensor(whole)), 1)


def cut(picture: Tensor, box: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(H, W, C) to what a box shows (h, w, C), resized where a size is asked for; beyond the border it is repeated."""
    left, top, right, bottom = box.tolist()
    rows = torch.arange(top, bottom).clamp(0, picture.shape[0] - 1)
    columns = torch.arange(left, right).clamp(0, picture.shape[1] - 1)
    return resized(picture[rows][:, columns], size)


def resized(picture: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(h, w, C) at another size; the same size is the same picture."""
    if size is None or tuple(picture.shape[:2]) == tuple(size):
        return picture
    channels_first = picture.permute(2, 0, 1)[None]
    return interpolate(channels_first, size=tuple(size), mode="bicubic", antialias=True)[0].permute(1, 2, 0).clamp(0, 1)


def paste(source: Tensor, made: Tensor, box: Tensor, feather: float, keep: Tensor | None = None) -> Tensor:
    """A made picture (h, w, C) back into its box of (H, W, C); `keep` (H, W) is 1 where the source stays in front.

    Resizing there and back would blur what nobody touched, so pixels that are as they were cut keep the source.
    """
    height, width = source.shape[:2]
    left, top, right, bottom = box.tolist()
    weight = fade(box, (height, width), feather)
    original = cut(source, box, tuple(made.shape[:2]))
    if original.shape[:2] != (bottom - top, right - left):
        weight = weight * touched(made, original, (bottom - top, right - left))
    made = resized(made, (bottom - top, right - left))
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    weight = weight[inside]
    weight = weight if keep is None else weight * (1 - keep[rows, columns])
    out = source.clone()
    out[rows, columns] = torch.lerp(source[rows, columns], made[inside].to(source), weight[..., None].to(source))
    return out


def touched(made: Tensor, original: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) in 0..1 at another size: where a picture differs from what was cut."""
    other = ((made - original).abs().amax(-1) > ALIKE).float()
    other = max_pool2d(other[None, None], 5, 1, 2)
    return interpolate(other, size=size, mode="bilinear", align_corners=False)[0, 0]


def fade(box: Tensor, size: tuple[int, int], feather: float) -> Tensor:
    """(h, w) in 0..1 that fades towards the sides of a box, but not where the picture itself ends."""
    left, top, right, bottom = box.tolist()
    lines = []
    for low, high, limit in ((top, bottom, size[0]), (left, right, size[1])):
        place = torch.arange(high - low) + 0.5
        line = torch.ones(high - low)
        if feather > 0 and low > 0:
            line = torch.minimum(line, place / feather)
        if feather > 0 and high < limit:
            line = torch.minimum(line, place.flip(0) / feather)
        lines.append(line)
    return lines[0][:, None] * lines[1]


def covering(crop: Crop, index: int) -> list[tuple[int, int, float]]:
    """The clips that show a frame: number, place in it, and how much it counts over the clips before it."""
    out = []
    for number, clip in enumerate(crop.clips):
        if clip.start <= index < clip.stop:
            shared = crop.clips[number - 1].stop - clip.start if number else 0
            place = index - clip.start
            out.append((number, place, (place + 1) / (shared + 1) if place < shared else 1.0))
    return out


def paste_frame(
    source: Tensor, made: list[Tensor], crop: Crop, index: int, feather: float, keep: Tensor | None
) -> Tensor:
    """One frame (H, W, C) with the made clips, each (n, h, w, C), in it; where two clips overlap they cross-fade."""
    out = None
    for number, place, amount in covering(crop, index):
        new = paste(source, made[number][place], crop.clips[number].boxes[place], feather, keep)
        out = new if out is None else torch.lerp(out, new, amount)
    return source if out is None else out


def split_clips(made: list[Tensor], crop: Crop) -> list[Tensor]:
    """Pictures of all clips, as a list or one after the other in one batch, to one batch a clip."""
    lengths = [len(clip.boxes) for clip in crop.clips]
    if [len(batch) for batch in made] == lengths:
        return made
    if len(made) == 1 and len(made[0]) == sum(lengths):
        return list(made[0].split(lengths))
    came = ", ".join(str(len(batch)) for batch in made)
    asked = ", ".join(map(str, lengths))
    raise ValueError(
        f"images: expected the {len(lengths)} clips of Crop to Subject with {asked} frames, got {came}: "
        "keep the number of frames between cropping and pasting."
    )
