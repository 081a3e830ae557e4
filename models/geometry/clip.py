"""A clip in space: its pictures, distances and camera, and one frame of it at a time.

Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..view.camera import Camera
from .surface import Surface, point_cloud, surface


@dataclass(frozen=True)
class ClipInSpace:
    """What the geometry of a clip is computed from."""

    images: Tensor  # (N, H, W, 3)
    depth: Tensor  # (N, H, W) metres, NaN where not known
    camera: Camera  # of N frames
    max_distance: float = 0.0  # metres; 0: no limit
    mask: Tensor | None = None  # (N or 1, h, w) white where geometry is wanted

    def chosen(self, frames: range) -> "ClipInSpace":
        """Some of the frames; nothing is copied."""
        cut = slice(frames.start, frames.stop, frames.step)
        mask = self.mask if self.mask is None or len(self.mask) == 1 else self.mask[cut]
        return replace(self, images=self.images[cut], depth=self.depth[cut], camera=self.camera.frames(cut), mask=mask)

    def distances(self, frame: int) -> Tensor:
        """(H, W) metres of one frame, NaN where no geometry is wanted or known."""
        depth = self.depth[frame]
        wanted = torch.isfinite(depth)
        if self.max_distance:
            wanted &= depth <= self.max_distance
        if self.mask is not None:
            mask = self.mask[frame if len(self.mask) > 1 else 0].float()
            wanted &= interpolate(mask[None, None], depth.shape, mode="nearest-exact")[0, 0] > 0.5
        return depth.where(wanted, torch.nan)

    def view(self, frame: int) -> Camera:
        """The camera of one frame."""
        return self.camera.frames(slice(frame, frame + 1))

    def surface(self, frame: int, step: int, jump: float) -> Surface:
        return surface(self.distances(frame), self.view(frame), step, jump)

    def point_cloud(self, frame: int, step: int) -> Surface:
        return point_cloud(self.distances(frame), self.view(frame), step)

    def count(self, step: int) -> list[int]:
        """The largest number of points that each frame can have."""
        return [int(torch.isfinite(self.distances(frame)[::step, ::step]).sum()) for frame in range(len(self.depth))]
