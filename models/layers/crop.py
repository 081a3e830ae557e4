"""Boxes that follow a subject, cut out of a clip and pasted back without a seam.

Within one clip the box keeps its size and moves smoothly, so the subject keeps its scale; a subject that becomes much
larger or smaller, or a clip longer than a model takes, begins a new clip that overlaps the one before.
Letters: N frames, n frames of one clip, H and W pixels of the picture, h and w of a box, C channels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ..character.interpolate import interpolate_gaps
from ..flow.cuts import shots_of
from .subject_edge import Cutout, cut_out
from .whole_subject import measure_visible, whole_bounds

MIN_AREA = 0.25  # of the largest area so far: a smaller subject begins a new clip
UNCHANGED = 0.5 / 255  # a pixel that differs by less is unchanged


@dataclass(frozen=True)
class Clip:
    start: int
    boxes: Tensor  # (n, 4) int64: left, top, right, bottom in pixels, which may lie outside the picture
    repeated: int = 0  # times that the last cropped picture comes again, for models that take certain numbers of frames
    subject: Tensor | None = None  # (n, 4) around the whole subject, hidden parts too, in pixels of the picture
    mask: Tensor | None = None  # (n + repeated, h, w) of the subject, cropped

    @property
    def stop(self) -> int:
        return self.start + len(self.boxes)

    @property
    def pictures(self) -> int:
        return len(self.boxes) + self.repeated


@dataclass(frozen=True)
class Crop:
    """The places that cropped pictures come from; the keys of the socket are these names."""

    frames: int
    size: tuple[int, int]  # H, W
    output_size: tuple[int, int] | None  # height and width of the cropped pictures; None: as large as their box
    clips: list[Clip]


@dataclass(frozen=True)
class Framing:
    padding: float = 0.1  # of the subject's size on every side
    smoothing_frames: int = 9  # frames that the path of the box is averaged over
    max_frames: int = 0  # frames of a clip, 0 for no limit
    overlap_frames: int = 4
    multiple: int = 8
    output_size: tuple[int, int] | None = None
    frame_step: int = 1  # a model takes this many frames times n, plus 1
    still: bool = False  # one box for a whole clip
    cuts: tuple[int, ...] = ()  # the first frame of each shot but the first one: the box jumps there

    def of(self, start: int, stop: int) -> "Framing":
        """The framing of some frames, whose first one is 0."""
        return replace(self, cuts=tuple(cut - start for cut in self.cuts if start < cut < stop))


def subject_bounds(mask: Callable[[int], Tensor], frames: int, cuts: tuple[int, ...] = ()) -> Tensor:
    """(N, 4) left, top, right, bottom around each mask; frames without a subject lie between their neighbours of the shot."""
    bounds = measure_visible(mask, None, frames).bounds
    for shot in shots_of(list(cuts), frames):
        here = bounds[shot.start : shot.stop]
        if torch.isfinite(here).any():
            here.copy_(torch.stack([interpolate_gaps(side) for side in here.unbind(1)], 1))
    return torch.stack([interpolate_gaps(side) for side in bounds.unbind(1)], 1)


def plan_crop(
    mask: Callable[[int], Tensor],
    frames: int,
    size: tuple[int, int],
    framing: Framing,
    hidden: Callable[[int], Tensor] | None = None,
) -> Crop:
    """Boxes that follow the subject of N masks (H, W) through a clip; `hidden` are masks of what is in front of it."""
    if hidden is None:
        bounds = subject_bounds(mask, frames, framing.cuts)
    else:
        bounds = whole_bounds(measure_visible(mask, hidden, frames))
    centre = (bounds[:, :2] + bounds[:, 2:]) / 2
    shots = shots_of(list(framing.cuts), frames)
    centre = torch.cat([smooth_path(centre[shot.start : shot.stop], framing.smoothing_frames) for shot in shots])
    extent = bounds[:, 2:] - bounds[:, :2]
    clips = []
    for start, stop in clip_ranges(extent.prod(1).tolist(), framing):
        boxes = boxes_around(bounds[start:stop], centre[start:stop], size, framing.of(start, stop))
        repeated = -(stop - start - 1) % framing.frame_step
        clips.append(Clip(start, boxes, repeated, bounds[start:stop]))
    return Crop(frames, size, framing.output_size, clips)


def boxes_around(bounds: Tensor, centre: Tensor, size: tuple[int, int], framing: Framing) -> Tensor:
    """(n, 4) boxes of one size around the bounds (n, 4) of one clip, in the path of the centres (n, 2) or all in one place."""
    if framing.still:
        shots = [bounds[shot.start : shot.stop] for shot in shots_of(list(framing.cuts), len(bounds))]
        middles = [((shot[:, :2].amin(0) + shot[:, 2:].amax(0)) / 2).expand(len(shot), 2) for shot in shots]
        centre = torch.cat(middles)
    reach = torch.maximum(bounds[:, 2:] - centre, centre - bounds[:, :2]) * 2 * (1 + 2 * framing.padding)
    return fixed_size_boxes(centre, reach.amax(0), size, framing)


def smooth_path(path: Tensor, window: int) -> Tensor:
    """(N, 2) averaged over some frames twice, so that it neither trembles nor lags."""
    window = min(window, len(path)) | 1
    for _ in range(2):
        padded = torch.nn.functional.pad(path.T[None], (window // 2, window // 2), mode="replicate")
        path = torch.nn.functional.avg_pool1d(padded, window, 1)[0].T
    return path


def clip_ranges(areas: list[float], framing: Framing) -> list[tuple[int, int]]:
    """Start and stop of each clip by the area of the subject in each frame; neighbours share some frames."""
    out, start, low, high = [], 0, areas[0], areas[0]
    longest = allowed_frames(framing.max_frames, framing.frame_step)
    for index, area in enumerate(areas):
        low, high = min(low, area), max(high, area)
        full = longest and index - start >= longest
        if index - start > framing.overlap_frames and (full or low < MIN_AREA * high):
            out.append((start, index))
            start, low, high = index - framing.overlap_frames, area, area
    return [*out, (start, len(areas))]


def allowed_frames(most: int, step: int) -> int:
    """The largest number of frames up to `most` that is a multiple of the step plus 1; 0 stays no limit."""
    return most - (most - 1) % step if most else 0


def fixed_size_boxes(centre: Tensor, reach: Tensor, size: tuple[int, int], framing: Framing) -> Tensor:
    """(n, 2) centres and the (2,) width and height that all need, to boxes (n, 4) of one size inside the picture."""
    wide, high = reach.tolist()
    if framing.output_size is not None:
        ratio = framing.output_size[1] / framing.output_size[0]
        wide, high = max(wide, high * ratio), max(high, wide / ratio)
        whole = [max(1, round(side)) for side in (wide, high)]
    else:
        whole = [framing.multiple * math.ceil(side / framing.multiple) for side in (wide, high)]
    low = torch.empty(len(centre), 2, dtype=torch.int64)
    for axis, (side, limit) in enumerate(zip(whole, (size[1], size[0]), strict=True)):
        place = (centre[:, axis] - side / 2).round().long()
        low[:, axis] = place.clamp(0, limit - side) if side <= limit else torch.tensor((limit - side) // 2)
    return torch.cat((low, low + torch.tensor(whole)), 1)


def cut_box(picture: Tensor, box: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(H, W, C) to the content of a box (h, w, C), resized if a size is given; beyond the border it is repeated."""
    left, top, right, bottom = box.tolist()
    rows = torch.arange(top, bottom).clamp(0, picture.shape[0] - 1)
    columns = torch.arange(left, right).clamp(0, picture.shape[1] - 1)
    return resize(picture[rows][:, columns], size)


def resize(picture: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(h, w, C) at another size; the same size is the same picture."""
    if size is None or tuple(picture.shape[:2]) == tuple(size):
        return picture
    channels_first = picture.permute(2, 0, 1)[None]
    scaled = interpolate(channels_first, size=tuple(size), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
    low, high = picture.aminmax()
    return scaled.clamp_(low.clamp_max(0), high.clamp_min(1))  # HDR keeps its lights


def paste_box(
    original: Tensor,
    edited: Tensor,
    box: Tensor,
    feather: float,
    protect: Tensor | None = None,
    cutout: Cutout | None = None,
) -> Tensor:
    """An edited picture (h, w, C) pasted into its box of (H, W, C); where `protect` (H, W) is 1 the original stays.

    Resizing there and back would blur unchanged pixels, so pixels that are as they were cut keep the original. With a cutout
    only the subject is pasted.
    """
    height, width = original.shape[:2]
    left, top, right, bottom = box.tolist()
    weight = edge_weight(box, (height, width), feather)
    unedited = cut_box(original, box, tuple(edited.shape[:2]))
    if unedited.shape[:2] != (bottom - top, right - left):
        weight = weight * changed_mask(edited, unedited, (bottom - top, right - left))
    edited = resize(edited, (bottom - top, right - left))
    if cutout is not None:
        edited, subject = cut_out(edited, cutout)
        weight = weight * subject
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    weight = weight[inside]
    weight = weight if protect is None else weight * (1 - protect[rows, columns])
    out = original.clone()
    out[rows, columns] = torch.lerp(
        original[rows, columns], edited[inside].to(original), weight[..., None].to(original)
    )
    return out


def changed_mask(edited: Tensor, unedited: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) in 0..1 at another size: where an edited picture differs from the one that was cut."""
    other = ((edited - unedited).abs().amax(-1) > UNCHANGED).float()
    other = max_pool2d(other[None, None], 5, 1, 2)
    return interpolate(other, size=size, mode="bilinear", align_corners=False)[0, 0]


def edge_weight(box: Tensor, size: tuple[int, int], feather: float) -> Tensor:
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


def clips_at(crop: Crop, index: int) -> list[tuple[int, int, float]]:
    """The clips that contain a frame: number, place in it, and its weight over the clips before it."""
    out = []
    for number, clip in enumerate(crop.clips):
        if clip.start <= index < clip.stop:
            shared = crop.clips[number - 1].stop - clip.start if number else 0
            place = index - clip.start
            out.append((number, place, (place + 1) / (shared + 1) if place < shared else 1.0))
    return out


def paste_frame(
    original: Tensor,
    edited: list[Tensor],
    crop: Crop,
    index: int,
    feather: float,
    protect: Tensor | None,
    cutouts: Callable[[int, int], Cutout | None] = lambda number, place: None,
) -> Tensor:
    """One frame (H, W, C) with the edited clips, each (n, h, w, C), in it; where two clips overlap they cross-fade.

    `cutouts` gives the subject of an edited picture by the number of its clip and its place in it.
    """
    out = None
    for number, place, amount in clips_at(crop, index):
        box, cutout = crop.clips[number].boxes[place], cutouts(number, place)
        new = paste_box(original, edited[number][place], box, feather, protect, cutout)
        out = new if out is None else torch.lerp(out, new, amount)
    return original if out is None else out


def split_clips(edited: list[Tensor], crop: Crop, name: str = "images") -> list[Tensor]:
    """Pictures or masks of all clips, as a list or one after the other in one batch, to one batch a clip."""
    lengths = [clip.pictures for clip in crop.clips]
    if [len(batch) for batch in edited] == lengths:
        return edited
    if len(edited) == 1 and len(edited[0]) == sum(lengths):
        return list(edited[0].split(lengths))
    found = ", ".join(str(len(batch)) for batch in edited)
    expected = ", ".join(map(str, lengths))
    raise ValueError(
        f"{name}: expected the {len(lengths)} clips of Crop to Subject with {expected} frames, got {found}: "
        "keep the number of frames between cropping and pasting."
    )
