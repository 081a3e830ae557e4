"""One scene to a clip: pictures, depth, masks, layers, pose, parts and flow, all exact and all in step.

Letters: F frames, H and W pixels, L layers (the figure, then each object), S samples a pixel side, G rigid owners.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..flow.warp import arrives, relative_motion, rigid_flow
from ..pose import drawing, formats
from ..view.camera import Camera
from .actors import Actors, stage_actors
from .body.capsules import Hits, z_buffer
from .body.skeleton import Angles
from .caption import describe
from .room import render_room, render_room_depth
from .scene import Scene
from .shading import STYLES, Style, paint

GREY = 0.5


@dataclass(frozen=True)
class Clip:
    """F frames of one scene. Pictures are (F, H, W, 3) in [0, 1], masks (F, H, W) in [0, 1]."""

    rgb: Tensor
    plate: Tensor  # the room without figure and objects
    figure: Tensor  # the whole figure alone on grey
    layers: Tensor  # (L, F, H, W, 4) premultiplied colour and coverage of what is seen of each layer
    depth: Tensor  # (F, H, W) metres along the camera's axis, at pixel centres
    plate_depth: Tensor  # (F, H, W)
    human: Tensor  # what is seen of the figure
    occluder: Tensor  # what is seen of objects nearer than the figure
    scene: Tensor  # everything else
    whole_human: Tensor  # the figure as if nothing stood before it
    layer: Tensor  # (F, H, W) uint8: 0 room, 1 figure, 2 and up objects, at pixel centres
    part: Tensor  # (F, H, W) uint8: 0 outside the figure, else 1 + bone, objects ignored
    surface: Tensor  # (F, H, W, 3) place on the canonical body, 0 outside the figure, objects ignored
    forward: Tensor  # (F-1, H, W, 2) pixels from frame i to i+1
    forward_valid: Tensor  # (F-1, H, W) bool
    backward: Tensor  # (F-1, H, W, 2) pixels from frame i+1 to i
    backward_valid: Tensor
    keypoints: list  # POSE_KEYPOINT in SDPose's format
    pose: Tensor  # the keypoints drawn in OpenPose colours
    joints: Tensor  # (F, 18, 3) metres in camera space
    action: str
    caption: str

    @property
    def inverse_depth(self) -> Tensor:
        return 1 / self.depth


def render(
    scene: Scene, samples: int = 2, report: Callable[[int], None] = lambda done: None, chunk: int | None = None
) -> Clip:
    """Render a scene; `samples` per pixel side smooth the edges, 1 gives hard ones; `report` hears of frames done."""
    camera, style = scene.view(), STYLES[scene.style]
    actors = stage_actors(scene)
    step = chunk or max(1, round(16 * 128 * 128 / (scene.height * scene.width)))
    still = render_plate(scene, camera.frames(slice(0, 1)), style, samples) if camera.is_still() else None
    parts = []
    for begin in range(0, scene.frames, step):
        frames = slice(begin, min(begin + step, scene.frames))
        plate = still or render_plate(scene, camera.frames(frames), style, samples)
        parts.append(render_frames(scene, actors, camera, frames, style, samples, plate))
        report(frames.stop)
    whole = {name: torch.cat([part[name] for part in parts], 1 if name == "layers" else 0) for name in parts[0]}
    whole |= exact_flow(whole["layer"], whole.pop("owner"), whole["depth"], actors.poses(camera), camera, step)
    joints = camera.to_camera(actors.joints)
    keypoints = openpose_keypoints(joints, camera)
    return Clip(
        **whole,
        keypoints=keypoints,
        pose=drawing.draw(keypoints, scene.height, scene.width),
        joints=joints,
        action=scene.action,
        caption=describe(scene),
    )


def render_character(scene: Scene, samples: int = 2) -> tuple[Tensor, Tensor]:
    """The character alone in A-pose on grey: picture (1, H, W, 3) and mask (1, H, W)."""
    one = replace(scene, frames=1, props=(), camera="still")
    actors, camera, style = stage_actors(one, Angles.a_pose()), one.view(), STYLES[scene.style]
    smooth = camera.refined(samples)
    hits = z_buffer(actors.capsules(smooth, slice(0, 1)), smooth, 1)
    colours = paint(hits, actors, scene, camera, slice(0, 1), style)
    return on_grey(accumulate(hits, colours, torch.ones_like(hits.depth), samples)[0])


def character_keypoints(scene: Scene) -> list:
    """The pose of the character in that picture, as POSE_KEYPOINT of one frame."""
    one = replace(scene, frames=1, props=(), camera="still")
    camera = one.view()
    return openpose_keypoints(camera.to_camera(stage_actors(one, Angles.a_pose()).joints), camera)


def render_plate(scene: Scene, camera: Camera, style: Style, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """The empty room: colour (F, H, W, 3), depth at pixel centres (F, H, W) and at samples (F, S H, S W)."""
    fine, fine_depth = render_room(scene.room, camera.refined(samples), style)
    frames, height, width = fine.shape[0], camera.height, camera.width
    colour = fine.view(frames, height, samples, width, samples, 3).mean((2, 4))
    depth = fine_depth if samples == 1 else render_room_depth(scene.room, camera)
    return colour, depth, fine_depth


def render_frames(
    scene: Scene, actors: Actors, camera: Camera, frames: slice, style: Style, samples: int, plate
) -> dict:
    """The picture side of a clip for some of its frames; the empty room is given once for a still camera."""
    count = frames.stop - frames.start
    background, room_depth, fine_depth = (part.expand(count, *part.shape[1:]) for part in plate)
    fine = camera.refined(samples)
    hits = z_buffer(actors.capsules(fine, frames), fine, actors.layers)
    colours = paint(hits, actors, scene, camera, frames, style)
    seen, _ = visible(hits, fine_depth)
    layers = accumulate(hits, colours, seen.to(colours), samples)
    whole = accumulate(hits, colours, (hits.layer == 0).to(colours), samples)[0]
    figure, whole_human = on_grey(whole)
    cover = layers[..., 3]
    near = actors.in_front(camera, frames).to(cover)
    occluder = (cover[1:] * near[:, :, None, None]).sum(0)
    return {
        "rgb": composite(layers, background),
        "plate": background,
        "figure": figure,
        "layers": layers,
        "human": cover[0],
        "occluder": occluder,
        "scene": (1 - cover[0] - occluder).clamp(0, 1),
        "whole_human": whole_human,
        **geometry(actors, camera, frames, room_depth),
    }


def geometry(actors: Actors, camera: Camera, frames: slice, room_depth: Tensor) -> dict:
    """Depth, layer, owner, part and surface at pixel centres."""
    hits = z_buffer(actors.capsules(camera, frames), camera, actors.layers)
    seen, depth = visible(hits, room_depth)
    pixel = hits.pixel
    owner = actors.owner[hits.capsule]
    blank = lambda dtype, *channels: torch.zeros(room_depth.numel(), *channels, dtype=dtype)
    layer, owners, part, surface = blank(torch.uint8), blank(torch.int64), blank(torch.uint8), blank(torch.float32, 3)
    layer[pixel[seen]] = (hits.layer[seen] + 1).to(torch.uint8)
    owners[pixel[seen]] = owner[seen]
    body = hits.layer == 0
    part[pixel[body]] = owner[body].to(torch.uint8)
    surface[pixel[body]] = actors.canonical(hits, camera, frames)[body]
    shape = room_depth.shape
    return {
        "depth": depth.view(shape),
        "plate_depth": room_depth,
        "layer": layer.view(shape),
        "owner": owners.view(shape),
        "part": part.view(shape),
        "surface": surface.view(*shape, 3),
    }


def visible(hits: Hits, room_depth: Tensor) -> tuple[Tensor, Tensor]:
    """Which hits (M,) are the nearest thing at their pixel, and the depth seen at every pixel (F H W,)."""
    nearest = room_depth.reshape(-1).clone()
    nearest.scatter_reduce_(0, hits.pixel, hits.depth, "amin")
    return hits.depth <= nearest[hits.pixel], nearest


def accumulate(hits: Hits, colours: Tensor, weight: Tensor, samples: int) -> Tensor:
    """Average weighted hits over the samples of each pixel: premultiplied colour and coverage (L, F, H, W, 4)."""
    layers, frames, height, width = hits.shape
    low, wide = height // samples, width // samples
    row = torch.div(hits.cell, width, rounding_mode="floor")
    column = torch.div(hits.cell - row * width, samples, rounding_mode="floor")
    # Rows of all layers and frames lie one after another, so dividing the row keeps layer and frame in place.
    pixel = torch.div(row, samples, rounding_mode="floor") * wide + column
    values = torch.cat((colours, torch.ones_like(colours[:, :1])), 1) * (weight[:, None] / samples**2)
    out = colours.new_zeros(layers * frames * low * wide, 4).index_add_(0, pixel, values)
    return out.view(layers, frames, low, wide, 4)


def composite(layers: Tensor, plate: Tensor) -> Tensor:
    """Lay premultiplied layers (L, F, H, W, 4) over a plate (F, H, W, 3)."""
    total = layers.sum(0)
    return (total[..., :3] + (1 - total[..., 3:]) * plate).clamp(0, 1)


def on_grey(layer: Tensor) -> tuple[Tensor, Tensor]:
    """A premultiplied layer (F, H, W, 4) on grey, and its coverage (F, H, W)."""
    return layer[..., :3] + (1 - layer[..., 3:]) * GREY, layer[..., 3]


def exact_flow(layer: Tensor, owner: Tensor, depth: Tensor, poses: Tensor, camera: Camera, step: int) -> dict:
    """Forward and backward flow between neighbouring frames, and where they may be trusted."""
    pairs = depth.shape[0] - 1
    out = {}
    for name, here, there in (
        ("forward", slice(0, pairs), slice(1, None)),
        ("backward", slice(1, None), slice(0, pairs)),
    ):
        motion = relative_motion(poses[here], poses[there])
        flows, valids = [depth.new_zeros(0, *depth.shape[1:], 2)], [torch.zeros(0, *depth.shape[1:], dtype=torch.bool)]
        for begin in range(0, pairs, step):
            some = slice(begin, begin + step)
            flow, new_depth = rigid_flow(depth[here][some], owner[here][some], motion[some], camera)
            flows.append(flow)
            valids.append(arrives(flow, new_depth, layer[here][some], layer[there][some], depth[there][some]))
        out[name], out[f"{name}_valid"] = torch.cat(flows), torch.cat(valids)
    return out


def openpose_keypoints(joints: Tensor, camera: Camera) -> list:
    """(F, 18, 3) joints in camera space to POSE_KEYPOINT; eyes and ears on the far side of the head score 0."""
    points = camera.project(joints)
    x, y = points.unbind(-1)
    score = ((x >= 0) & (x <= camera.width - 1) & (y >= 0) & (y <= camera.height - 1)).float()
    middle = joints[:, 16:18].mean(1)[:, None, 2]
    head = [0, 14, 15, 16, 17]
    score[:, head] *= (joints[:, head, 2] < middle + 0.02).float()
    return formats.from_joints(points, score, camera.height, camera.width)
