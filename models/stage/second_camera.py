"""One moment of the stage from two cameras: the truth for what a moved camera should see.

Letters: H and W pixels.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..view.camera import Camera, look_at
from .clip import Clip
from .render import render_geometry, render_pictures
from .scene import Scene

FINE = 4  # samples a pixel side of the depth map in which the first camera's view is looked up
NEAR = 0.02  # of a distance: a point that much behind the surface is not visible


@dataclass(frozen=True)
class Shot:
    """What both cameras see: pictures (H, W, 3) and distances (H, W)."""

    picture: Tensor
    depth: Tensor
    camera: Camera
    second_camera: Camera
    second_picture: Tensor
    second_depth: Tensor
    hidden: Tensor  # (H, W) bool: points that the second camera sees and the first one does not


def moved_camera(camera: Camera, move: str) -> Camera:
    """A camera 0.15 m to the right, 0.5 m ahead ("dolly"), or turned by 6 degrees around the person ("orbit")."""
    rotation, position = camera.rotation[0], camera.position[0]
    if move == "orbit":
        centre, angle = torch.tensor([0.0, 0.97, 0.0]), math.radians(6)
        turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
        position = centre + turn @ (position - centre)
        rotation = look_at(position[None], centre[None])[0]
    else:
        position = position + {"right": 0.15 * rotation[0], "dolly": 0.5 * rotation[2]}[move]
    return replace(camera, rotation=rotation[None], position=position[None])


def shoot(scene: Scene, move: str, samples: int = 2) -> Shot:
    """The first frame of a scene by its own camera and by a moved one."""
    scene, silent = replace(scene, frames=1), lambda done: None
    clip = Clip(scene, samples)
    second = moved_camera(clip.camera, move)
    picture = render_pictures(scene, clip.actors, second, samples, 1, silent)["rgb"][0]
    depth = render_geometry(scene, clip.actors, second, 1, silent)["depth"][0]
    finer = clip.camera.refined(FINE)
    nearest = render_geometry(scene, clip.actors, finer, 1, silent)["depth"][0]
    hidden = hidden_points(depth, second, nearest, finer)
    return Shot(clip.rgb[0], clip.depth[0], clip.camera, second, picture, depth, hidden)


def hidden_points(depth: Tensor, camera: Camera, nearest: Tensor, other: Camera) -> Tensor:
    """(H, W) bool: points of a camera's distances that are behind the distances of the other camera, or outside its picture."""
    world = (camera.rays() * depth[..., None]) @ camera.rotation[0] + camera.position[0]
    points = other.to_camera(world.view(1, -1, 3))[0]
    x, y = other.project(points).round().long().unbind(-1)
    inside = (x >= 0) & (x < other.width) & (y >= 0) & (y < other.height) & (points[:, 2] > 0)
    found = nearest[y.clamp(0, other.height - 1), x.clamp(0, other.width - 1)]
    # What is found behind a point, beside the edge of its surface, hides nothing.
    return ~(inside & (points[:, 2] - found < NEAR * points[:, 2])).view(depth.shape)
