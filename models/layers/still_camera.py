"""The scene of a camera that stands: one picture for all frames, what most of them show at each pixel.

Each frame is brought to the light and, where a tripod shakes, to the place of one of them before the middle value is taken,
and the picture is brought back to each frame that it fills.
Letters: N frames, S of them sampled, H and W pixels, h and w those of a box, C colours and, last, nearness.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .inpaint import inpaint
from .patches import Filled, Patch, Target, patches
from .scene_frames import Box, SceneFrames
from .still_scene import sampled

STEADY = 0.2  # pixels that a frame may be moved by and is still taken where it is
BATCH = 2**23  # numbers of the sampled frames that are sorted at once
BESIDE = 0.3  # of the sorted values on each side of the middle one that are averaged with it

Report = Callable[[int], None]


class StillCamera:
    """The scene of all frames, whose places are offsets (N, 2) in pixels (x, y) from that of one of them."""

    def __init__(self, source: SceneFrames, offsets: np.ndarray, report: Report = lambda done: None):
        self.source, self.offsets, self.report = source, offsets, report
        frames, size = len(source), source.layers.size
        self.moved = np.hypot(*offsets.T) > STEADY
        self.hidden = self.widened(source.hidden_once())
        self.scene = np.zeros((*size, source.channels), np.float32)
        self.views = np.zeros(size, np.float32)
        chosen = sampled(frames)
        for patch in patches(self.hidden, source.reach):
            self.fill_patch(patch, chosen)
        self.add_missing(set(range(frames)) - set(chosen))
        self.missing = self.hidden & (self.views == 0)
        self.scene = inpaint(torch.from_numpy(self.scene), torch.from_numpy(self.missing), None).numpy()

    def widened(self, hidden: np.ndarray) -> np.ndarray:
        """(H, W) holes of all frames, with room for those that are moved."""
        if not self.moved.any():
            return hidden
        reach = int(np.ceil(np.abs(self.offsets).max())) + 1
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        return import_cv2().dilate(hidden.astype(np.uint8), kernel) > 0

    def fill_patch(self, patch: Patch, chosen: list[int]) -> None:
        """The scene where it is hidden at times, and around it."""
        brightest_first = sorted(chosen, key=lambda index: self.brightness(index, patch))
        reference = brightest_first[len(chosen) // 2]
        everything = replace(patch, around=patch.hole | patch.around)
        own, own_visible = self.aligned(reference, patch.box)
        target = Target(own, everything, self.source.layers.size)
        changes = [self.change(index, target, own_visible) for index in chosen]
        top, left = patch.box[0].start, patch.box[1].start
        rows = max(8, BATCH // (len(chosen) * self.source.channels * patch.size[1]))
        for first in range(0, patch.size[0], rows):
            part = everything.around[first : first + rows]
            box = (slice(top + first, top + first + len(part)), patch.box[1])
            places = target_places(patch.size, part, first)
            shown = [self.values(i, box, part, places, *change) for i, change in zip(chosen, changes, strict=True)]
            y, x = part.nonzero()
            self.scene[y + box[0].start, x + left], self.views[y + box[0].start, x + left] = middle_of(np.stack(shown))
            self.report(len(self.source))  # no frame more, but Cancel is noticed

    def brightness(self, index: int, patch: Patch) -> float:
        """The mean of what a frame shows of the scene around a patch."""
        grey = self.source.grey(index, patch.box)[::4, ::4]
        around = patch.around[::4, ::4]
        return float(grey[around].mean()) if around.any() else 0.0

    def change(self, index: int, target: Target, own_visible: np.ndarray) -> tuple:
        """What brings a frame to the colours and the nearness of the target."""
        picture, visible = self.aligned(index, target.patch.box)
        both = visible & own_visible
        near = target.nearness_shift(picture, both) if picture.shape[-1] > 3 else 0.0
        return target.match(picture, both), near

    def values(self, index: int, box: Box, part: np.ndarray, places: np.ndarray, match, near: float) -> np.ndarray:
        """(P, C) what a frame shows in part (h, w) of a box, infinite where it shows no scene."""
        picture, visible = self.aligned(index, box)
        values = picture[part]
        values = match.apply(values, places) if match else values
        if near:
            values[:, 3] += near
        values[~visible[part]] = np.inf
        return values

    def aligned(self, index: int, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, C) a box of a frame at the place of the scene, and where it shows that."""
        if not self.moved[index]:
            return self.source.part(index, box), self.source.visible(index, box)
        wide = widened_box(box, self.source.layers.size, 4 + int(np.ceil(np.abs(self.offsets[index]).max())))
        part, visible = self.source.part(index, wide), self.source.visible(index, wide)
        return shifted(part, visible, box, wide, self.offsets[index])

    def add_missing(self, others: set[int]) -> None:
        """Pixels that no sampled frame shows, from the frames in between."""
        whole = tuple(slice(0, size) for size in self.source.layers.size)
        for index in sorted(others):
            missing = self.hidden & (self.views == 0)
            if not missing.any():
                return
            if (missing & self.source.visible(index, whole)).any():
                picture, visible = self.aligned(index, whole)
                found = missing & visible
                self.scene[found] = picture[found]
                self.views[found] = 1

    def __call__(self, index: int, fill: Tensor | None) -> Iterator[Filled]:
        """The patches of a frame; a fill picture (H, W, 3) is for what no frame shows."""
        for patch in patches(self.source.hole(index).numpy(), self.source.reach):
            own, box = self.source.part(index, patch.box), patch.box
            scene, views, missing = self.scene[box], self.views[box], self.missing[box]
            if self.moved[index]:
                scene, views, missing = self.moved_back(index, box)
            picture = own.copy()
            picture[patch.hole] = Target(own, patch, self.source.layers.size).bring(scene, views > 0)
            if fill is not None:
                picture[missing & patch.hole, :3] = fill[box].numpy()[missing & patch.hole]
            yield Filled(patch, picture, views)

    def moved_back(self, index: int, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A box of the scene, its views and what is missing, at the place of a frame."""
        wide = widened_box(box, self.source.layers.size, 4 + int(np.ceil(np.abs(self.offsets[index]).max())))
        known = self.views[wide] > 0
        scene, known = shifted(self.scene[wide], known, box, wide, -self.offsets[index])
        right, down = np.round(self.offsets[index]).astype(int)
        rows, columns = (
            np.clip(np.arange(part.start, part.stop) - by, 0, size - 1)
            for part, by, size in zip(box, (down, right), self.source.layers.size, strict=True)
        )
        views = np.where(known, self.views[np.ix_(rows, columns)], 0)
        return scene, views, ~known


def target_places(size: tuple[int, int], part: np.ndarray, first: int) -> np.ndarray:
    """(P, 2) places, from -1 to 1 in a box of a size, of the pixels in part (h, w) of it, whose rows begin at `first`."""
    y, x = part.nonzero()
    return np.stack(((x + 0.5) * (2 / size[1]) - 1, (y + first + 0.5) * (2 / size[0]) - 1), -1).astype(np.float32)


def middle_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, C) the middle of the finite values (S, P, C), and how many there are (P,); 0 without any.

    The values next to the middle one are averaged with it: as safe from what passes by, with less of the noise.
    """
    counts = np.isfinite(values[..., 0]).sum(0)
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1)
    side = ((counts - 1).clip(0) * BESIDE).astype(int)
    low, high = (counts - 1) // 2 - side, counts // 2 + side
    place = np.arange(len(values))
    used = (place >= low[:, None]) & (place <= high[:, None]) & (place < counts[:, None])
    total = np.where(used[:, None], ordered, 0).sum(-1)
    return total / np.maximum(used.sum(-1), 1)[:, None], counts


def widened_box(box: Box, size: tuple[int, int], margin: int) -> Box:
    """A box with a margin, inside a picture (H, W)."""
    return tuple(
        slice(max(0, part.start - margin), min(end, part.stop + margin)) for part, end in zip(box, size, strict=True)
    )


def shifted(
    picture: np.ndarray, visible: np.ndarray, box: Box, wide: Box, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A box (h, w, C), and where it is seen, of what lies `offset` pixels (x, y) beside it in a wide one (H, W, C)."""
    cv2 = import_cv2()
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    right, down = (box[1].start - wide[1].start + offset[0], box[0].start - wide[0].start + offset[1])
    matrix = np.array([[1, 0, right], [0, 1, down]], float)
    warp = lambda plane, how: cv2.warpAffine(
        np.ascontiguousarray(plane), matrix, size, flags=how | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    there = warp(visible.astype(np.uint8) * 255, cv2.INTER_LINEAR) > 254
    return warp(picture, cv2.INTER_CUBIC).reshape(*there.shape, -1), there
