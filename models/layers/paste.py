"""Edited clips pasted back: the subject alone or the whole box, in the colours of the original, with a report.

Letters: N frames, n frames of one clip, H and W pixels, h and w of an edited picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..flow.cuts import find_cuts
from .crop import Crop, cut_box, paste_frame
from .crop_report import compare_subjects, describe_subjects
from .masks import fit, mask_frame
from .match_colours import (
    Areas,
    Correction,
    compared_areas,
    correction_of,
    describe_match,
    fit_sums,
    measure_differences,
)
from .subject_edge import Cutout, grow

AROUND = 0.02  # of an edited picture's shorter side: the edge of a subject, which shows neither scene


@dataclass
class Paste:
    original: Tensor  # (N, H, W, 3)
    edited: list[Tensor]  # of each clip (n, h, w, 3)
    crop: Crop
    protect: Tensor | None = None  # (N or 1, h, w): where the original stays
    subjects: list[Tensor] | None = None  # of each clip (n or 1, h, w): only these are pasted
    feather: float = 0.0
    subject_feather: float = 0.0
    defringe: int = 0
    strength: float = 0.0  # of the match of colours
    window: int = 9  # frames that it is averaged over
    corrections: list[Correction] = field(default_factory=list)
    differences: list[tuple[float, float] | None] = field(default_factory=list)  # of each clip before and after

    @property
    def matches_colours(self) -> bool:
        return self.strength > 0

    def measure_colours(self, report: Callable[[int], None] = lambda done: None) -> None:
        """Finds the correction of each clip; `report` gets the frames that are done, up to N."""
        for number, clip in enumerate(self.crop.clips if self.matches_colours else ()):
            areas = []
            for place in range(len(clip.boxes)):
                areas.append(self.areas(number, place))
                report(clip.start + place)
            cuts = find_cuts(self.original[clip.start : clip.stop])
            correction = correction_of(torch.stack([fit_sums(one) for one in areas]), self.window, cuts)
            self.corrections.append(correction)
            self.differences.append(measure_differences(areas, correction, self.strength))

    def areas(self, number: int, place: int) -> Areas:
        """Where an edited picture and the original both show the scene."""
        clip, edited = self.crop.clips[number], self.edited[number][place]
        size, index = tuple(edited.shape[:2]), clip.start + place
        box = clip.boxes[place]
        kept = (
            torch.ones(self.crop.size) if self.protect is None else 1 - mask_frame(self.protect, index, self.crop.size)
        )
        cut = cut_box(torch.cat((self.original[index], kept[..., None]), -1), box, size)
        scene = (cut[..., 3] > 0.99) & inside_picture(box, self.crop.size, size) & ~self.subject(number, place, size)
        return compared_areas(edited, cut[..., :3], scene)

    def subject(self, number: int, place: int, size: tuple[int, int]) -> Tensor:
        """(h, w) bool: the subject of the original or of the edited picture, with its edge."""
        clip = self.crop.clips[number]
        here = torch.zeros(size, dtype=torch.bool)
        if clip.mask is not None:
            here |= fit(clip.mask[place], size, "nearest-exact") > 0.02
        if self.subjects is not None:
            here |= mask_frame(self.subjects[number], place, size) > 0.02
        return grow(here, max(2, round(AROUND * min(size))))

    def frame(self, index: int) -> Tensor:
        """(H, W, 3) of one frame."""
        protect = None if self.protect is None else mask_frame(self.protect, index, self.crop.size)
        edited = self.edited if not self.corrections else [
            Corrected(clip, correction, self.strength)
            for clip, correction in zip(self.edited, self.corrections, strict=True)
        ]  # fmt: skip
        return paste_frame(self.original[index], edited, self.crop, index, self.feather, protect, self.cutout)

    def cutout(self, number: int, place: int) -> Cutout | None:
        """The subject of an edited picture, None where the whole box is pasted."""
        if self.subjects is None:
            return None
        masks = self.subjects[number]
        return Cutout(mask_frame(masks, place, tuple(masks.shape[1:])), self.subject_feather, self.defringe)

    def report(self) -> tuple[list[str], str | None]:
        """Sentences on the result, and what is worth a warning."""
        count = len(self.crop.clips)
        lines = [f"{self.crop.frames} frames, {count} cropped clip{'s' if count > 1 else ''}."]
        warning = None
        if self.subjects is None:
            lines.append(
                "The whole box was pasted; connect subject_mask to paste the subject alone and to check its size."
            )
        else:
            found, warning = describe_subjects(compare_subjects(self.subjects, self.crop))
            lines += found
        for number, correction in enumerate(self.corrections):
            lines.append(f"Colors of clip {number}: {describe_match(correction, self.differences[number])}")
        return lines, warning


@dataclass(frozen=True)
class Corrected:
    """The pictures of a clip in matched colours, one at a time."""

    clip: Tensor
    correction: Correction
    strength: float

    def __getitem__(self, place: int) -> Tensor:
        return self.correction.apply(self.clip[place], place, self.strength)


def inside_picture(box: Tensor, size: tuple[int, int], cut: tuple[int, int]) -> Tensor:
    """(h, w) bool: the parts of a box, at another size, that lie in the picture (H, W)."""
    left, top, right, bottom = box.tolist()
    rows, columns = (
        low + (torch.arange(count) + 0.5) * (high - low) / count
        for low, high, count in ((top, bottom, cut[0]), (left, right, cut[1]))
    )
    return ((rows > 0) & (rows < size[0]))[:, None] & ((columns > 0) & (columns < size[1]))
