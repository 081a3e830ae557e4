"""Pixels of the scene from other frames: one plate under a camera that stands, frame by frame under one that moves.

Letters: N frames, H and W pixels, h and w those of a box, C colours and, last, nearness.
"""

import numpy as np
import torch
from torch import Tensor

from ..flow.estimate import grey
from .camera import motion_between, moved_into
from .guess import around, guessed
from .hidden import Source

SAMPLES = 48  # frames that the plate of a standing camera is the middle of
STRIP = 32  # rows of it at once
ENOUGH = 3  # frames that a pixel under a moving camera is the middle of
REACH = 64  # frames from which it may come


class StillPlate:
    """One plate for all frames of a standing camera: the middle of what they show, pixel by pixel."""

    def __init__(self, source: Source):
        frames = len(source)
        self.source, self.ready, self.guess = source, None, None
        chosen = np.linspace(0, frames - 1, min(frames, SAMPLES)).round().astype(int).tolist()
        holes = torch.stack([source.hole(index) for index in chosen])
        shifts = self.shifts(chosen, holes)
        rows = []
        for top in range(0, holes.shape[1], STRIP):
            part = slice(top, top + STRIP)
            strip = torch.stack([source.rows(index, part) for index in chosen]) + shifts[:, None, None]
            rows.append(strip.masked_fill(holes[:, part, :, None], torch.nan).nanmedian(0).values)
        self.plate = torch.cat(rows)
        self.seen = (~holes).sum(0).float()
        self.rest(set(range(frames)) - set(chosen))

    def shifts(self, chosen: list[int], holes: Tensor) -> Tensor:
        """(S, C) what brings the nearness of each sampled frame to that of the first, where both show the scene."""
        out = torch.zeros(len(chosen), self.source.channels)
        if self.source.channels == 4:
            first = self.source.frame(chosen[0])
            for i, index in enumerate(chosen[1:], 1):
                common = ~holes[0] & ~holes[i]
                out[i, 3] = shift_between(self.source.frame(index), first, common)
        return out

    def rest(self, others: set[int]) -> None:
        """What no sampled frame has seen may be seen in between."""
        for index in sorted(others):
            missing = self.seen == 0
            if not missing.any():
                return
            shown = missing & ~self.source.hole(index)
            self.plate[shown] = self.source.frame(index)[shown]
            self.seen[shown] = 1

    def __call__(self, index: int, plate: Tensor | None) -> tuple[Tensor, Tensor]:
        """The scene (H, W, C) of a frame and how many frames showed each pixel (H, W); plate (H, W, 3) fills the rest."""
        if self.ready is None or plate is not self.guess:
            self.ready, self.guess = guessed(self.plate, self.seen == 0, plate), plate
        return self.ready, self.seen


class MovingPlate:
    """Frame by frame: other frames brought into place by the camera's motion, then what the frame before was given."""

    def __init__(self, source: Source, steps: list):
        self.source, self.steps = source, steps
        self.before: Tensor | None = None  # the completed frame before, (H, W, C)

    def __call__(self, index: int, plate: Tensor | None) -> tuple[Tensor, Tensor]:
        own, hole = self.source.frame(index), self.source.hole(index)
        if not hole.any():
            self.before = own
            return own, torch.ones_like(own[..., 0])
        box = around(hole, 24)
        part = own[box].clone()
        values, seen = self.gathered(index, box, hole[box])
        if values is not None:
            part = torch.where((hole[box] & (seen > 0))[..., None], values, part)
        missing = hole[box] & (seen == 0)
        part = self.carried(part, missing, index, box, plate)
        out, count = own.clone(), torch.zeros(hole.shape)
        out[box], count[box] = part, seen
        self.before = out
        return out, count

    def carried(self, part: Tensor, missing: Tensor, index: int, box: tuple, plate: Tensor | None) -> Tensor:
        """(h, w, C) with what nobody saw taken from the frame before, or guessed; so a guess stays a guess of one kind."""
        step = self.steps[index - 1] if index and self.steps else None
        if plate is None and step is not None and self.before is not None:
            moved, inside = moved_into(self.before, torch.ones(self.before.shape[:2]), step, box)
            part = torch.where((missing & inside)[..., None], moved, part)
            missing = missing & ~inside
        return guessed(part, missing, None if plate is None else plate[box])

    def gathered(self, index: int, box: tuple, hole: Tensor) -> tuple[Tensor | None, Tensor]:
        """(h, w, C) the middle of other frames in a box, and how many showed each pixel (h, w)."""
        kept, seen = [], torch.zeros(hole.shape)
        for other, way in self.ways(index):
            picture, shown = moved_into(self.source.frame(other), (~self.source.hole(other)).float(), way, box)
            picture, shown = self.refined(index, picture, shown, box, hole)
            picture = in_tune(picture, self.source.frame(index)[box], shown & ~hole)
            useful = shown & hole & (seen < ENOUGH)
            if useful.any():
                kept.append(picture.masked_fill(~useful[..., None], torch.nan))
                seen += useful
            if not (hole & (seen < ENOUGH)).any():
                break
        return (torch.stack(kept).nanmedian(0).values if kept else None), seen

    def ways(self, index: int):
        """Other frames, near ones first, then twice as far each time, and the homography from them to this frame."""
        chain = {index: np.eye(3)}
        for away in range(1, REACH + 1):
            for other, step in ((index - away, index - away), (index + away, index + away - 1)):
                toward = other + 1 if other < index else other - 1
                if not 0 <= other < len(self.source) or toward not in chain or self.steps[step] is None:
                    continue
                one = self.steps[step] if other < index else np.linalg.inv(self.steps[step])
                chain[other] = chain[toward] @ one
                if away & (away - 1) == 0 or away in (3, 6, 12, 24):
                    yield other, chain[other]

    def refined(self, index: int, picture: Tensor, shown: Tensor, box: tuple, hole: Tensor) -> tuple[Tensor, Tensor]:
        """A frame in place, brought nearer by what both show around the hole: parallax, and the drift of a long chain."""
        target = self.source.layers.images[index][box]
        near = motion_between(grey(picture[..., :3]), grey(target), (shown & ~hole).numpy(), hole.numpy())
        if near is None or np.array_equal(near, np.eye(3)):
            return picture, shown
        moved = moved_into(picture, shown.float(), near, (slice(0, hole.shape[0]), slice(0, hole.shape[1])))
        common = shown & moved[1] & ~hole
        away = [(one[..., :3] - target)[common].abs().mean() for one in (picture, moved[0])]
        return moved if away[1] < away[0] else (picture, shown)


def in_tune(picture: Tensor, target: Tensor, common: Tensor) -> Tensor:
    """(h, w, C) with its nearness shifted to that of the target where both show the scene (h, w).

    The same wall is nearer in a frame whose camera stands nearer, and estimators shift their depth from frame to frame.
    """
    if picture.shape[-1] < 4:
        return picture
    return torch.cat((picture[..., :3], picture[..., 3:] + shift_between(picture, target, common)), -1)


def shift_between(picture: Tensor, target: Tensor, common: Tensor) -> float:
    """The middle difference in nearness of two frames (h, w, 4) where both show the scene (h, w)."""
    return (target[..., 3] - picture[..., 3])[common].median().item() if common.any() else 0.0
