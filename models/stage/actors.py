"""Everything that moves on stage as rigid owners: the room, the 15 bones, then the objects.

Letters: F frames, G owners, K capsules, M hits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..view.camera import Camera
from .body.capsules import Capsules, Hits
from .body.character import Body, Character, build_body
from .body.skeleton import BONES, Angles, openpose_joints, pose_bones
from .scene import Scene

# The canonical body fills this box: the lowest corner and the size in metres.
_CANONICAL_LOW, _CANONICAL_SIZE = (-0.75, 0.0, -0.3), (1.5, 1.85, 0.6)


@dataclass(frozen=True)
class Actors:
    body: Body
    turns: Tensor  # (F, G, 3, 3) from each owner's axes to the world
    origins: Tensor  # (F, G, 3)
    start: Tensor  # (K, 3) in the owner's axes
    end: Tensor  # (K, 3)
    start_radius: Tensor  # (K,)
    end_radius: Tensor  # (K,)
    owner: Tensor  # (K,) below G
    layer: Tensor  # (K,) 0 the person, 1 and up the objects
    joints: Tensor  # (F, 18, 3) in the world

    @property
    def layers(self) -> int:
        return int(self.layer.max()) + 1

    def capsules(self, camera: Camera, frames: slice) -> Capsules:
        """The capsules of some frames in camera space."""
        turn, origin = self.turns[frames][:, self.owner], self.origins[frames][:, self.owner]
        ends = [camera.frames(frames).to_camera((turn @ p[..., None])[..., 0] + origin) for p in (self.start, self.end)]
        return Capsules(*ends, self.start_radius, self.end_radius, self.layer)

    def poses(self, camera: Camera) -> Tensor:
        """(F, G, 3, 4) from each owner's axes to camera space."""
        turn = camera.rotation[:, None] @ self.turns
        return torch.cat((turn, camera.to_camera(self.origins)[..., None]), -1)

    def in_front(self, camera: Camera, frames: slice) -> Tensor:
        """(L-1, F) bool: the object is nearer to the camera than the person's middle."""
        depth = camera.frames(frames).to_camera(self.origins[frames])[..., 2]
        return (depth[:, 1 + len(BONES) :] < depth[:, 1:2]).T

    def local_normals(self, hits: Hits, camera: Camera, frames: slice) -> Tensor:
        """(M, 3) normals of hits in their owner's axes."""
        turn = (camera.rotation[frames][:, None] @ self.turns[frames]).flatten(0, 1)
        turn = turn[hits.frame * self.turns.shape[1] + self.owner[hits.capsule]]
        return (hits.normal[:, None] @ turn)[:, 0]

    def local_points(self, hits: Hits, normals: Tensor) -> Tensor:
        """(M, 3) places of hits in their owner's axes."""
        return _on_capsules(hits, normals, self.start, self.end, self.start_radius, self.end_radius)

    def canonical(self, hits: Hits, camera: Camera, frames: slice) -> Tensor:
        """(M, 3) places of the person's hits on the standard body in A-pose, in [0, 1]: the same for every character."""
        standard = build_body(Character())
        turns, origins = pose_bones(Angles.a_pose(), standard.offsets)
        origins = origins - standard.lowest(turns, origins)[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
        start, end = standard.place(turns, origins)
        capsule = hits.capsule.clamp_max(standard.bone.numel() - 1)  # objects come after the body's capsules
        normals = (turns[0][standard.bone[capsule]] @ self.local_normals(hits, camera, frames)[..., None])[..., 0]
        body_hits = Hits(hits.cell, hits.frame, capsule, hits.depth, hits.along, hits.normal, hits.shape)
        place = _on_capsules(body_hits, normals, start[0], end[0], standard.start_radius, standard.end_radius)
        return ((place - torch.tensor(_CANONICAL_LOW)) / torch.tensor(_CANONICAL_SIZE)).clamp(0, 1)


def _on_capsules(hits: Hits, normals: Tensor, start: Tensor, end: Tensor, start_radius: Tensor, end_radius: Tensor):
    """(M, 3) surface points of capsules given by (K, 3) ends and (K,) radii."""
    along = hits.along[:, None]
    radius = start_radius[hits.capsule].lerp(end_radius[hits.capsule], hits.along)
    return start[hits.capsule].lerp(end[hits.capsule], along) + radius[:, None] * normals


def stage_actors(scene: Scene, angles: Angles | None = None) -> Actors:
    """Pose the person on the floor and move the objects."""
    angles = scene.angles() if angles is None else angles
    body = build_body(scene.character)
    turns, origins = pose_bones(angles, body.offsets)
    rise = angles.lift - body.lowest(turns, origins)
    origins = origins + torch.stack((angles.ground[:, 0], rise, angles.ground[:, 1]), 1)[:, None]
    all_turns = [torch.eye(3).expand(scene.frames, 1, 3, 3), turns]
    all_origins = [torch.zeros(scene.frames, 1, 3), origins]
    zero = torch.zeros_like(body.bone)
    rows = [(body.start, body.end, body.start_radius, body.end_radius, body.bone + 1, zero)]
    for index, thing in enumerate(scene.objects):
        turn, place = thing.move(scene.seconds(), scene.frames / scene.frame_rate)
        all_turns.append(turn[:, None])
        all_origins.append(place[:, None])
        start, end, radii = thing.capsule()
        owner, layer = torch.tensor([1 + len(BONES) + index]), torch.tensor([1 + index])
        rows.append((start[None], end[None], radii[:1], radii[1:], owner, layer))
    return Actors(
        body,
        torch.cat(all_turns, 1),
        torch.cat(all_origins, 1),
        *(torch.cat(column) for column in zip(*rows, strict=True)),
        joints=openpose_joints(turns, origins, body.head_radius),
    )
