"""Frames of a clip with nearness as a fourth colour, and the holes where the scene is hidden in them.

Letters: N frames, H and W pixels, h and w those of a box, C colours and, last, nearness.
"""

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .layers import Layers, nearness
from .masks import pack, unpack

COVERED = 0.02  # of a pixel covered by person or occluders: it belongs to the hole
TRACKED = 360  # pixels of the shorter side that the motion of the camera is measured on, up to twice as many

Box = tuple[slice, slice]


class SceneFrames:
    """The frames of a clip and their holes; a hole is computed once a frame and kept in bits."""

    def __init__(self, layers: Layers, grow_mask: int):
        self.layers, self.grow_mask = layers, grow_mask
        self.channels = 3 if layers.depth is None else 4
        height, width = layers.size
        self.reach = max(24, min(layers.size) // 24, grow_mask)  # pixels around a hole that its colours are matched in
        self.coarse = max(1, min(layers.size) // 90)  # pixels of a square in which holes are compared
        self.step = max(1, min(layers.size) // TRACKED)  # pixels of a square in which motion is measured
        # One piece of memory: small ones would be strewn among the pictures that come and go, and it would grow.
        self.holes = torch.empty(len(layers.images), height, -(-width // 8), dtype=torch.uint8)
        self.coarse_holes = np.empty((len(layers.images), height // self.coarse, width // self.coarse), np.uint8)
        self.computed: set[int] = set()
        self.compared: set[int] = set()

    def __len__(self) -> int:
        return len(self.layers.images)

    def frame(self, index: int) -> Tensor:
        """(H, W, C)."""
        picture = self.layers.images[index]
        near = self.layers.frame_nearness(index)
        return picture if near is None else torch.cat((picture, near[..., None].to(picture)), -1)

    def colours(self, index: int, box: Box) -> np.ndarray:
        """(h, w, 3) a box of a frame; not to be written into."""
        return self.layers.images[index][box].float().numpy()

    def part(self, index: int, box: Box) -> np.ndarray:
        """(h, w, C) a box of a frame; not to be written into."""
        layers = self.layers
        if layers.depth is None:
            return self.colours(index, box)
        same = tuple(layers.depth.shape[1:]) == layers.size
        near = nearness(layers.depth[index][box], layers.depth_type) if same else layers.frame_nearness(index)[box]
        return np.dstack((self.colours(index, box), near.numpy()))

    def hole(self, index: int) -> Tensor:
        """(H, W) bool: not the scene, or too close to what is not."""
        self.compute_hole(index)
        return unpack(self.holes[index])[:, : self.layers.size[1]]

    def compute_hole(self, index: int) -> None:
        if index not in self.computed:
            self.holes[index] = pack(self.find_hole(index))
            self.computed.add(index)

    def visible(self, index: int, box: Box) -> np.ndarray:
        """(h, w) bool: a box of a frame shows the scene."""
        self.compute_hole(index)
        rows, columns = box
        return ~unpack(self.holes[index][rows])[:, : self.layers.size[1]][:, columns].numpy()

    def hidden_once(self) -> np.ndarray:
        """(H, W) bool: in the hole of any frame."""
        both = torch.zeros_like(self.holes[0])
        for index in range(len(self)):
            self.compute_hole(index)
            both |= self.holes[index]
        return unpack(both)[:, : self.layers.size[1]].numpy()

    def coarse_hole(self, index: int) -> np.ndarray:
        """(h, w) bytes: how much of each square of `coarse` pixels is hole."""
        if index not in self.compared:
            cv2, size = import_cv2(), self.coarse_holes.shape[:0:-1]
            hole = self.hole(index).numpy().astype(np.uint8) * 255
            self.coarse_holes[index] = (
                hole if self.coarse == 1 else cv2.resize(hole, size, interpolation=cv2.INTER_AREA)
            )
            self.compared.add(index)
        return self.coarse_holes[index]

    def find_hole(self, index: int) -> Tensor:
        cv2, side = import_cv2(), 2 * self.grow_mask + 1
        person, objects = self.layers.coverages(index)
        covered = (sum(objects.values(), person) > COVERED).to(torch.uint8).cpu().numpy()
        left, top, width, height = cv2.boundingRect(covered)
        if width:
            reach = self.grow_mask
            box = (slice(max(0, top - reach), top + height + reach), slice(max(0, left - reach), left + width + reach))
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
            covered[box] = cv2.dilate(np.ascontiguousarray(covered[box]), kernel)
        return torch.from_numpy(covered).bool()

    def grey(self, index: int, box: Box = (slice(None), slice(None))) -> np.ndarray:
        """(h, w) brightness of a box of a frame in 8 bits."""
        return grey_bytes(self.colours(index, box))

    def tracked_grey(self, index: int) -> np.ndarray:
        """(h, w) brightness of a frame in 8 bits, `step` times smaller."""
        return self.smaller(self.grey(index))

    def tracked_scene(self, index: int) -> np.ndarray:
        """(h, w) bool, `step` times smaller: the scene shows."""
        return self.smaller((~self.hole(index)).numpy().astype(np.uint8) * 255) == 255

    def smaller(self, plane: np.ndarray) -> np.ndarray:
        """(H, W) bytes made `step` times smaller."""
        if self.step == 1:
            return plane
        cv2, (height, width) = import_cv2(), plane.shape
        plane = plane[: height // self.step * self.step, : width // self.step * self.step]
        return cv2.resize(plane, None, fx=1 / self.step, fy=1 / self.step, interpolation=cv2.INTER_AREA)


def grey_bytes(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3 or 4) in 0..1 to (h, w) brightness in 8 bits."""
    luma = import_cv2().transform(picture, np.array([[0.299, 0.587, 0.114] + [0] * (picture.shape[-1] - 3)]))
    return (luma.clip(0, 1) * 255 + 0.5).astype(np.uint8)
