"""Frames of a clip with nearness as a fourth colour, and the holes where the scene is hidden in them.

Letters: N frames, H and W pixels, C colours and, last, nearness.
"""

import numpy as np
import torch
from torch import Tensor

from ..flow.estimate import grey
from ..opencv import import_cv2
from .layers import Layers, nearness
from .masks import pack, unpack

COVERED = 0.02  # of a pixel covered by person or occluders: it belongs to the hole


class SceneFrames:
    """The frames of a clip and their holes; a hole is computed once a frame and kept in bits."""

    def __init__(self, layers: Layers, grow_mask: int):
        self.layers, self.grow_mask = layers, grow_mask
        self.channels = 3 if layers.depth is None else 4
        height, width = layers.size
        # One piece of memory: small ones would be strewn among the pictures that come and go, and it would grow.
        self.holes = torch.empty(len(layers.images), height, -(-width // 8), dtype=torch.uint8)
        self.computed: set[int] = set()

    def __len__(self) -> int:
        return len(self.layers.images)

    def frame(self, index: int) -> Tensor:
        """(H, W, C)."""
        picture = self.layers.images[index]
        near = self.layers.frame_nearness(index)
        return picture if near is None else torch.cat((picture, near[..., None].to(picture)), -1)

    def rows(self, index: int, part: slice) -> Tensor:
        """(h, W, C) some rows of a frame."""
        layers = self.layers
        if layers.depth is None or tuple(layers.depth.shape[1:]) != layers.size:
            return self.frame(index)[part]
        near = nearness(layers.depth[index, part], layers.depth_type)
        return torch.cat((layers.images[index, part], near[..., None].to(layers.images)), -1)

    def hole(self, index: int) -> Tensor:
        """(H, W) bool: not the scene, or too close to what is not."""
        if index not in self.computed:
            self.holes[index] = pack(self.find_hole(index))
            self.computed.add(index)
        return unpack(self.holes[index])[:, : self.layers.size[1]]

    def find_hole(self, index: int) -> Tensor:
        cv2, side = import_cv2(), 2 * self.grow_mask + 1
        person, objects = self.layers.coverages(index)
        covered = (sum(objects.values(), person) > COVERED).to(torch.uint8).cpu().numpy()
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return torch.from_numpy(cv2.dilate(covered, kernel)).bool()

    def grey(self, index: int) -> np.ndarray:
        return grey(self.layers.images[index])
