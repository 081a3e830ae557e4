"""The colours of generated chunks, matched to the original where both show the scene, and to each other in the overlap.

Letters: n frames of one chunk, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..flow.cuts import find_cuts
from ..layers.masks import mask_frame
from ..layers.match_colours import (
    Areas,
    Correction,
    compared_areas,
    correction_of,
    describe_match,
    fit_sums,
    measure_differences,
)
from ..layers.subject_edge import grow
from .chunks import Chunks

AROUND = 0.02  # of the shorter side: the edge of the subject, which shows neither scene

PictureOf = Callable[[int, int], Tensor]


@dataclass(frozen=True)
class Matched:
    """The corrections of all chunks, and what was compared."""

    corrections: list[Correction]
    scene: list[list[Areas]]  # of each chunk, its frames against the original
    overlaps: list[list[Areas]]  # of each chunk, its first frames against the chunk in front of it, already matched

    def picture(self, chunks: Chunks, number: int, place: int, strength: float = 1.0) -> Tensor:
        """(H, W, 3) of a chunk in matched colours."""
        clip = chunks.clips[number]
        return clip[place] if strength == 0 else self.corrections[number].apply(clip[place], place, strength)

    def report(self, strength: float) -> list[str]:
        """A sentence on each chunk and what it was compared with."""
        return [line for number in range(len(self.corrections)) for line in self.describe(number, strength)]

    def describe(self, number: int, strength: float) -> list[str]:
        """Sentences on one chunk."""
        correction, lines = self.corrections[number], []
        if self.scene[number]:
            found = measure_differences(self.scene[number], correction, strength)
            lines.append(f"Chunk {number} against the original: {describe_match(correction, found)}")
        if self.overlaps[number]:
            first = replace(correction, gain=correction.gain[:1], offset=correction.offset[:1])
            found = measure_differences(self.overlaps[number], correction, strength)
            lines.append(f"Chunk {number} against chunk {number - 1}: {describe_match(first, found)}")
        return lines or [f"Chunk {number}: unchanged."]


def match_chunks(
    chunks: Chunks,
    original: PictureOf | None = None,
    subject: PictureOf | None = None,
    window: int = 9,
    report: Callable[[int], None] = lambda done: None,
) -> Matched:
    """Matches chunks to pictures (H, W, 3) of the original outside masks of the subject, and each to the one in front of it.

    Without an original a whole chunk gets one correction. `report` gets the pictures that are done.
    """
    out, done = Matched([], [], []), 0
    for number, clip in enumerate(chunks.clips):
        out.scene.append([])
        out.overlaps.append([])
        shared, sums = chunks.shares(number), torch.zeros(len(clip), 3, 5, dtype=torch.float64)
        for place in range(len(clip)):
            sums[place] = picture_sums(chunks, out, number, place, original, subject, shared)
            report(done := done + 1)
        if original is None:
            one = correction_of(sums.sum(0, keepdim=True), 1)
            correction = Correction(one.gain.expand(len(clip), 3), one.offset.expand(len(clip), 3))
        else:
            correction = correction_of(sums, window, find_cuts(clip))
        out.corrections.append(correction)
    return out


def picture_sums(
    chunks: Chunks,
    matched: Matched,
    number: int,
    place: int,
    original: PictureOf | None,
    subject: PictureOf | None,
    shared: bool,
) -> Tensor:
    """(3, 5) sums of one picture against the original and against the chunk in front of it; keeps the areas.

    shared: the chunk shows in the overlap what the one in front of it does.
    """
    picture, sums = chunks.clips[number][place], torch.zeros(3, 5, dtype=torch.float64)
    if original is not None:
        scene = scene_of(subject, number, place, tuple(picture.shape[:2]))
        areas = compared_areas(picture, original(number, place), scene)
        matched.scene[number].append(areas)
        sums += fit_sums(areas)
    if number and place < chunks.overlap and shared:
        before = len(chunks.clips[number - 1]) - chunks.overlap + place
        there = matched.picture(chunks, number - 1, before)
        areas = compared_areas(picture, there, torch.ones(picture.shape[:2], dtype=torch.bool))
        matched.overlaps[number].append(areas)
        sums += fit_sums(areas)
    return sums


def scene_of(subject: PictureOf | None, number: int, place: int, size: tuple[int, int]) -> Tensor:
    """(H, W) bool: what is neither the subject nor its edge."""
    if subject is None:
        return torch.ones(size, dtype=torch.bool)
    mask = mask_frame(subject(number, place)[None], 0, size)
    return ~grow(mask > 0.02, max(2, round(AROUND * min(size))))
