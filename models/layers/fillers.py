"""Pixels of the scene from other frames: one picture under a camera that stands, frame by frame under one that moves.

Letters: N frames, H and W pixels, h and w those of a box, C colours and, last, nearness.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..flow.estimate import grey
from .camera import camera_motion, warp_into
from .inpaint import bounding_box, inpaint
from .scene_frames import SceneFrames

SAMPLES = 48  # frames that the scene of a standing camera is the median of
STRIP = 32  # rows of it at once
ENOUGH_VIEWS = 3  # frames that a pixel under a moving camera is the median of
MAX_DISTANCE = 64  # frames from which it may come


class StillCamera:
    """One picture for all frames of a standing camera: their median, pixel by pixel, without the holes."""

    def __init__(self, source: SceneFrames, report: Callable[[int], None] = lambda done: None):
        frames = len(source)
        self.source, self.filled, self.filled_with = source, None, None
        chosen = np.linspace(0, frames - 1, min(frames, SAMPLES)).round().astype(int).tolist()
        holes = torch.stack([source.hole(index) for index in chosen])
        shifts = self.nearness_shifts(chosen, holes)
        rows = []
        for top in range(0, holes.shape[1], STRIP):
            part = slice(top, top + STRIP)
            strip = torch.stack([source.rows(index, part) for index in chosen]) + shifts[:, None, None]
            rows.append(strip.masked_fill(holes[:, part, :, None], torch.nan).nanmedian(0).values)
            report(frames)  # no frame more, but Cancel is noticed
        self.scene = torch.cat(rows)
        self.views = (~holes).sum(0).float()
        self.add_missing(set(range(frames)) - set(chosen))

    def nearness_shifts(self, chosen: list[int], holes: Tensor) -> Tensor:
        """(S, C) what brings the nearness of each sampled frame to that of the first, where both show the scene."""
        out = torch.zeros(len(chosen), self.source.channels)
        if self.source.channels == 4:
            first = self.source.frame(chosen[0])
            for i, index in enumerate(chosen[1:], 1):
                common = ~holes[0] & ~holes[i]
                out[i, 3] = nearness_shift(self.source.frame(index), first, common)
        return out

    def add_missing(self, others: set[int]) -> None:
        """Pixels that no sampled frame shows, from the frames in between."""
        for index in sorted(others):
            missing = self.views == 0
            if not missing.any():
                return
            found = missing & ~self.source.hole(index)
            self.scene[found] = self.source.frame(index)[found]
            self.views[found] = 1

    def __call__(self, index: int, fill: Tensor | None) -> tuple[Tensor, Tensor]:
        """The scene (H, W, C) of a frame and how many frames show each pixel (H, W); fill (H, W, 3) is for the rest."""
        if self.filled is None or fill is not self.filled_with:
            self.filled, self.filled_with = inpaint(self.scene, self.views == 0, fill), fill
        return self.filled, self.views


class MovingCamera:
    """Frame by frame: other frames warped by the camera's motion, then what the frame before was filled with."""

    def __init__(self, source: SceneFrames, steps: list):
        self.source, self.steps = source, steps
        self.last: Tensor | None = None  # the filled frame before, (H, W, C)

    def __call__(self, index: int, fill: Tensor | None) -> tuple[Tensor, Tensor]:
        own, hole = self.source.frame(index), self.source.hole(index)
        if not hole.any():
            self.last = own
            return own, torch.ones_like(own[..., 0])
        box = bounding_box(hole, 24)
        part = own[box].clone()
        values, views = self.median_of_others(index, box, hole[box])
        if values is not None:
            part = torch.where((hole[box] & (views > 0))[..., None], values, part)
        missing = hole[box] & (views == 0)
        part = self.fill_missing(part, missing, index, box, fill)
        out, count = own.clone(), torch.zeros(hole.shape)
        out[box], count[box] = part, views
        self.last = out
        return out, count

    def fill_missing(self, part: Tensor, missing: Tensor, index: int, box: tuple, fill: Tensor | None) -> Tensor:
        """(h, w, C) with what no frame shows from the frame before, so that a guess does not flicker, or inpainted."""
        step = self.steps[index - 1] if index and self.steps else None
        if fill is None and step is not None and self.last is not None:
            moved, inside = warp_into(self.last, torch.ones(self.last.shape[:2]), step, box)
            part = torch.where((missing & inside)[..., None], moved, part)
            missing = missing & ~inside
        return inpaint(part, missing, None if fill is None else fill[box])

    def median_of_others(self, index: int, box: tuple, hole: Tensor) -> tuple[Tensor | None, Tensor]:
        """(h, w, C) the median of other frames in a box, and how many show each pixel (h, w)."""
        kept, views = [], torch.zeros(hole.shape)
        for other, homography in self.other_frames(index):
            valid = (~self.source.hole(other)).float()
            picture, valid = warp_into(self.source.frame(other), valid, homography, box)
            picture, valid = self.refine(index, picture, valid, box, hole)
            picture = match_nearness(picture, self.source.frame(index)[box], valid & ~hole)
            useful = valid & hole & (views < ENOUGH_VIEWS)
            if useful.any():
                kept.append(picture.masked_fill(~useful[..., None], torch.nan))
                views += useful
            if not (hole & (views < ENOUGH_VIEWS)).any():
                break
        return (torch.stack(kept).nanmedian(0).values if kept else None), views

    def other_frames(self, index: int) -> Iterator[tuple[int, np.ndarray]]:
        """Other frames, near ones first, then twice as far each time, and the homography from them to this frame."""
        chain = {index: np.eye(3)}
        for distance in range(1, MAX_DISTANCE + 1):
            for other, step in ((index - distance, index - distance), (index + distance, index + distance - 1)):
                neighbour = other + 1 if other < index else other - 1
                if not 0 <= other < len(self.source) or neighbour not in chain or self.steps[step] is None:
                    continue
                one = self.steps[step] if other < index else np.linalg.inv(self.steps[step])
                chain[other] = chain[neighbour] @ one
                if distance & (distance - 1) == 0 or distance in (3, 6, 12, 24):
                    yield other, chain[other]

    def refine(self, index: int, picture: Tensor, valid: Tensor, box: tuple, hole: Tensor) -> tuple[Tensor, Tensor]:
        """A warped frame aligned by what both show around the hole: parallax, and the drift of a long chain."""
        target = self.source.layers.images[index][box]
        shift = camera_motion(grey(picture[..., :3]), grey(target), (valid & ~hole).numpy(), hole.numpy())
        if shift is None or np.array_equal(shift, np.eye(3)):
            return picture, valid
        moved = warp_into(picture, valid.float(), shift, (slice(0, hole.shape[0]), slice(0, hole.shape[1])))
        common = valid & moved[1] & ~hole
        errors = [(one[..., :3] - target)[common].abs().mean() for one in (picture, moved[0])]
        return moved if errors[1] < errors[0] else (picture, valid)


def match_nearness(picture: Tensor, target: Tensor, common: Tensor) -> Tensor:
    """(h, w, C) with its nearness shifted to that of the target where both show the scene (h, w).

    The same wall is nearer in a frame whose camera stands nearer, and estimators shift their depth from frame to frame.
    """
    if picture.shape[-1] < 4:
        return picture
    return torch.cat((picture[..., :3], picture[..., 3:] + nearness_shift(picture, target, common)), -1)


def nearness_shift(picture: Tensor, target: Tensor, common: Tensor) -> float:
    """The median difference in nearness of two frames (h, w, 4) where both show the scene (h, w)."""
    return (target[..., 3] - picture[..., 3])[common].median().item() if common.any() else 0.0
