"""Exact flow between any two frames of a scene, not only neighbours.

Letters: F frames, H and W pixels, G rigid owners, P pairs of frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.warp import arrives, relative_motion, rigid_flow
from ..view.camera import Camera
from .actors import stage_actors
from .render import geometry
from .room import render_room_depth
from .scene import Scene

ROOM, MOVES = 1, 2  # what a pixel that is visible in both frames belongs to; 0 is visible in one only


@dataclass(frozen=True)
class StageMotion:
    """What the flow between any frames of a clip is computed from."""

    layer: Tensor  # (F, H, W) uint8: 0 room, 1 person, 2 and up objects
    owner: Tensor  # (F, H, W) uint8
    depth: Tensor  # (F, H, W) metres
    poses: Tensor  # (F, G, 3, 4)
    camera: Camera

    @classmethod
    def of(cls, scene: Scene) -> "StageMotion":
        """Geometry only, which is many times as fast as pictures."""
        camera, actors = scene.view(), stage_actors(scene)
        rooms = render_room_depth(scene.room, camera.frames(slice(0, 1)) if camera.is_still() else camera)
        frames = slice(0, scene.frames)
        found = geometry(actors, camera, frames, rooms.expand(scene.frames, -1, -1))
        return cls(found["layer"], found["owner"], found["depth"], actors.poses(camera), camera)

    def flow(self, start: Sequence[int], end: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Where P frames `start` lie in P frames `end`: (P, H, W, 2) pixels, and 0, ROOM or MOVES, (P, H, W) uint8."""
        start, end = list(start), list(end)
        depth, owner = self.depth.float(), self.owner.long()
        motion = relative_motion(self.poses[start], self.poses[end])
        flow, there = rigid_flow(depth[start], owner[start], motion, self.camera)
        valid = arrives(flow, there, self.layer[start], self.layer[end], depth[end])
        kind = torch.where(self.layer[start] > 0, MOVES, ROOM)
        return flow, (kind * valid).to(torch.uint8)

    def to_first(self) -> tuple[Tensor, Tensor]:
        """From every frame to the first: (F, H, W, 2) and (F, H, W)."""
        frames = range(len(self.depth))
        return self.flow(frames, [0] * len(frames))


def as_grid(flow: Tensor) -> Tensor:
    """(P, H, W, 2) pixels to a sampling grid with -1 and 1 on the borders of the picture, as a warp reads it."""
    height, width = flow.shape[1:3]
    axes = (torch.arange(side, device=flow.device, dtype=flow.dtype) for side in (height, width))
    y, x = torch.meshgrid(*axes, indexing="ij")
    return (2 * (flow + torch.stack((x, y), -1)) + 1) / flow.new_tensor([width, height]) - 1
