"""Flow between any two frames of a clip, found when it is asked for, so that a long clip takes no more memory.

Flow is in pixels of the working size, last axis (dx, dy). Letters: N frames, H and W pixels, h and w of the working size.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .estimate import LUMA, dis_flow, trusted
from .fields import Field, fetch, fetch_mask, resized, scaled

SIDE = 480  # pixels of the longer side at most: enough for the motion of a camera, four times as fast as 960
KEPT = 8  # flows and pictures that are held: a few neighbours
SAME_COLOUR = 0.1  # what a point may differ between two frames, beyond what the whole picture does
TEXTURE = 0.02  # steps of brightness from which a pixel has something to recognise
AROUND = 7  # pixels a side within which it must have such steps both across and down, as along an edge any motion fits
ENOUGH = 200  # distinct pixels that stand for a picture; with fewer all pixels do


class ClipMotion:
    """The motion of a clip (N, H, W, 3), from a flow between neighbours where one is given, else estimated by DIS."""

    def __init__(self, images: Tensor, forward: Field | None = None, backward: Field | None = None, side: int = SIDE):
        self.images, self.known = images, {1: forward, -1: backward}
        height, width = images.shape[1:3]
        share = min(1.0, side / max(height, width))
        self.size = (max(1, round(share * height)), max(1, round(share * width)))
        self.picture = lru_cache(KEPT)(self._picture)
        self.estimated = lru_cache(2 * KEPT)(self._estimated)
        self.flow = lru_cache(2 * KEPT)(self._flow)
        self.distinct = lru_cache(KEPT)(self._distinct)

    def _picture(self, index: int) -> Tensor:
        """(h, w, 3) one frame in the working size."""
        frame = self.images[index : index + 1].movedim(-1, 1).float().clamp(0, 1)
        return resized(frame, self.size)[0].movedim(0, -1)

    def _estimated(self, start: int, end: int) -> Tensor:
        return dis_flow(self.picture(start), self.picture(end))

    def _flow(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """(h, w, 2) from one frame to another, and bool (h, w) where it is trusted: it leads back and to the same colour."""
        given = self.known.get(end - start)
        if given is not None:
            field = scaled(given.frame(min(start, end)), self.size)
            offset, valid = field.offset[0].cpu(), field.valid[0].cpu() > 0.5
        else:
            offset = self.estimated(start, end)
            valid = trusted(offset, self.estimated(end, start)) > 0.5
        return offset, valid & self.same_colour(start, end, offset)

    def same_colour(self, start: int, end: int, offset: Tensor) -> Tensor:
        """(h, w) bool: the point has about the same colour in both frames; a change of the whole light does not count."""
        there = fetch(self.picture(end).movedim(-1, 0)[None], offset[None])[0].movedim(0, -1)
        change = there - self.picture(start)
        return (change - change.flatten(0, 1).median(0).values).abs().mean(-1) < SAME_COLOUR

    def _distinct(self, index: int) -> Tensor:
        """(h, w) bool: where a frame has something to recognise."""
        luma = (self.picture(index) * torch.tensor(LUMA)).sum(-1)
        steps = torch.stack((F.pad(luma.diff(dim=1), (0, 1)), F.pad(luma.diff(dim=0), (0, 0, 0, 1)))).abs()
        near = F.max_pool2d(steps[None], AROUND, 1, AROUND // 2)[0] > TEXTURE
        both = near.all(0)
        return both if both.sum() >= ENOUGH else torch.ones_like(both)

    def in_common(self, start: int, end: int) -> float:
        """The share of what can be recognised in one frame that the other shows too: near 0 across a cut."""
        return self.flow(start, end)[1][self.distinct(start)].float().mean().item()

    def points(self, start: int, end: int) -> tuple[Tensor, Tensor, Tensor]:
        """flow(), and where it is sure, bool (h, w): what can be recognised, or all where that is too little."""
        offset, valid = self.flow(start, end)
        sure = valid & self.distinct(start)
        return offset, valid, sure if sure.sum() >= ENOUGH else valid

    def path(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """flow() to a frame a few steps away, put together of the flows between neighbours."""
        step = 1 if end > start else -1
        offset, valid = self.flow(start, start + step)
        for index in range(start + step, end, step):
            onward, trust = self.flow(index, index + step)
            valid = valid & (fetch_mask(trust[None].float(), offset[None])[0] > 0.5)
            offset = offset + fetch(onward.movedim(-1, 0)[None], offset[None])[0].movedim(0, -1)
        return offset, valid

    def fetched(self, plane: Tensor, start: int, end: int) -> tuple[Tensor, Tensor]:
        """(H, W) of the frame `end` as the frame `start` sees it, and bool (H, W) where that is trusted."""
        offset, valid = self.path(start, end)
        field = scaled(Field(offset[None], valid[None].float()), tuple(plane.shape))
        return fetch(plane[None, None], field.offset)[0, 0], field.valid[0] > 0.5
