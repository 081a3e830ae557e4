"""A stage clip moved by its depth, against the stage's own render from the moved camera."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from pack.models.stage import sample_scene
from pack.models.stage.clip import Clip
from pack.models.stage.render import render_geometry, render_pictures
from pack.models.view.camera import Camera, look_at
from pack.models.view.lens import between
from pack.models.view.reproject import reproject
from pack.models.view.surface import joins

SILENT = lambda done: None


@dataclass
class Shot:
    """One moment of a stage clip from two cameras: pictures (H, W, 3), depth and what the first camera does not see (H, W)."""

    picture: torch.Tensor
    depth: torch.Tensor
    here: Camera
    there: Camera
    new_picture: torch.Tensor
    new_depth: torch.Tensor
    hidden: torch.Tensor


def moved_camera(camera: Camera, move: str) -> Camera:
    """0.15 m to the right, 0.5 m ahead, or 6 degrees around the person."""
    rotation, position = camera.rotation[0], camera.position[0]
    if move == "orbit":
        centre, angle = torch.tensor([0.0, 0.97, 0.0]), math.radians(6)
        turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
        position = centre + turn @ (position - centre)
        rotation = look_at(position[None], centre[None])[0]
    else:
        position = position + {"right": 0.15 * rotation[0], "dolly": 0.5 * rotation[2]}[move]
    return replace(camera, rotation=rotation[None], position=position[None])


def shot(seed: int, move: str, side: int = 256, fine: int = 4) -> Shot:
    scene = replace(sample_scene(seed, frames=4, height=side, width=side), frames=1)
    clip = Clip(scene)
    here, there = clip.camera, moved_camera(clip.camera, move)
    picture = render_pictures(scene, clip.actors, there, 2, 1, SILENT)["rgb"][0]
    depth = render_geometry(scene, clip.actors, there, 1, SILENT)["depth"][0]
    # What the first camera sees of each point, looked up in a depth map four times as fine.
    finer = here.refined(fine)
    nearest = render_geometry(scene, clip.actors, finer, 1, SILENT)["depth"][0]
    world = (there.rays() * depth[..., None]) @ there.rotation[0] + there.position[0]
    points = here.to_camera(world.view(1, -1, 3))[0]
    x, y = finer.project(points).round().long().unbind(-1)
    inside = (x >= 0) & (x < finer.width) & (y >= 0) & (y < finer.height)
    found = nearest[y.clamp(0, finer.height - 1), x.clamp(0, finer.width - 1)]
    seen = inside & ((found - points[:, 2]).abs() < 0.02 * points[:, 2])
    return Shot(clip.rgb[0], clip.depth[0], here, there, picture, depth, ~seen.view(depth.shape))


def grown(mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.max_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0] > 0


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return -10 * math.log10(((one - other)[where] ** 2).mean().item())


def overlap(one: torch.Tensor, other: torch.Tensor, tolerance: bool = False) -> tuple[int, int]:
    """Pixels in which two masks agree and pixels of either; with a tolerance, within one pixel of the other mask counts."""
    if not tolerance:
        return int((one & other).sum()), int((one | other).sum())
    agree = (one & grown(other)) | (other & grown(one))
    return int(agree.sum()), int((one | other).sum())


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("move", ["right", "dolly", "orbit"])
def test_a_moved_stage_clip_is_near_its_own_render(seed, move):
    one = shot(seed, move)
    view = reproject(one.picture, one.depth, between(one.here, one.there))
    assert psnr(view.picture, one.new_picture, ~one.hidden & ~view.holes) > 32  # seen: 35 to 40
    right, down = joins(1 / one.new_depth)
    inside = ~grown(~right | ~down) & ~one.hidden & ~view.holes
    assert ((view.depth - one.new_depth).abs() / one.new_depth)[inside].quantile(0.999) < 0.02
    if move != "dolly":  # there the holes are lines of one pixel, whose place the pixels' middles leave open
        (both, either), (near, _) = overlap(view.holes, one.hidden), overlap(view.holes, one.hidden, True)
        assert both / either > 0.85 and near / either > 0.93
