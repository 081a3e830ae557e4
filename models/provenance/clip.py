"""A number marked into every frame of a clip, and read back from all of them together.

Letters: N frames, n frames that are read, H and W pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..evaluate.metrics import psnr
from ..flow.frames import Report, silent
from .code import BITS, NUMBERS, chance, matched, nearest, words

P_LIMIT = 1e-4  # below it a number counts as found: of 10,000 clips without a mark, at most one is taken for marked
WAYS = 2  # a clip is read unchanged and mirrored


class Network(Protocol):
    """What marks and reads one picture (H, W, 3): Rivagan."""

    def mark(self, picture: Tensor, bits: Tensor) -> Tensor: ...

    def scores(self, picture: Tensor) -> Tensor: ...


class Marked(NamedTuple):
    """Marked frames (N, H, W, C), what is read from each after rounding to 8 bits (N, 32), and decibels (N,)."""

    images: Tensor
    scores: Tensor
    psnr: Tensor


class Finding(NamedTuple):
    """The number that fits a clip best, how many of 32 bits agree, also in each frame alone (n,), and how sure that is."""

    number: int
    bits: int
    frame_bits: Tensor
    p_value: float
    mirrored: bool

    @property
    def sure(self) -> bool:
        return self.p_value < P_LIMIT


def mark_clip(images: Tensor, number: int, strength: float, network: Network, report: Report = silent) -> Marked:
    """Pictures (N, H, W, 3 or 4) with a number in each frame; alpha and what is brighter than white stay."""
    marked, scores, decibels = images.clone(), [], []
    for index, frame in enumerate(marked):
        before = colours(frame)
        added = strength * network.mark(before, words()[number])
        frame[..., :3] = within(frame[..., :3], added)
        written = eight_bits(colours(frame))
        scores.append(network.scores(written))
        decibels.append(psnr(written, eight_bits(before)))
        report(index + 1)
    return Marked(marked, torch.stack(scores), torch.tensor(decibels))


def within(pictures: Tensor, added: Tensor) -> Tensor:
    """Their sum, from 0 to 1 where the pictures are."""
    return torch.minimum(torch.maximum(pictures + added, pictures.clamp(max=0)), pictures.clamp(min=1))


def find_number(images: Sequence[Tensor], expected: int | None, network: Network, report: Report = silent) -> Finding:
    """The number in n pictures (H, W, C): the expected one, or whichever fits best; mirrored where that fits better."""
    findings = []
    for mirrored in (False, True):
        scores = []
        for frame in images:
            scores.append(network.scores(colours(frame.flip(1) if mirrored else frame)))
            report(mirrored * len(images) + len(scores))
        findings.append(judge(torch.stack(scores), expected, mirrored))
        if findings[-1].sure:
            break
    return max(findings, key=lambda finding: finding.bits)


def judge(scores: Tensor, expected: int | None, mirrored: bool = False) -> Finding:
    """What (n, 32) scores say. They are added first: neighbouring frames are alike, so they are no tests of their own."""
    total = scores.sum(0)
    number = nearest(total) if expected is None else expected
    bits = int(matched(total, number))
    p_value = chance(bits, WAYS * (NUMBERS if expected is None else 1))
    return Finding(number, bits, matched(scores, number), p_value, mirrored)


def fewest_bits() -> int:
    """By how many of 32 bits an expected number counts as found."""
    return next(bits for bits in range(BITS + 1) if chance(bits, WAYS) < P_LIMIT)


def evenly(frames: int, most: int) -> list[int]:
    """The places of at most so many frames, evenly spread over a clip; of all with 0."""
    if most == 0 or frames <= most:
        return list(range(frames))
    return [(2 * i + 1) * frames // (2 * most) for i in range(most)]


def colours(frame: Tensor) -> Tensor:
    """(H, W, 3 or 4) as float32 (H, W, 3) from 0 to 1."""
    return frame[..., :3].float().clamp(0, 1)


def eight_bits(picture: Tensor) -> Tensor:
    """A picture as files of 8 bits hold it."""
    return (picture * 255).round() / 255
