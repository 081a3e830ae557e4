"""One scene to pictures, geometry, flow and pose, all exact and aligned.

Letters: F frames, H and W pixels, L layers (the person, then each object), S samples a pixel side, G rigid owners.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..flow.warp import arrives, relative_motion, rigid_flow
from ..pose import drawing, formats
from ..view.camera import Camera
from .actors import Actors, stage_actors
from .body.capsules import Hits, z_buffer
from .body.skeleton import Angles
from .room import render_room, render_room_depth
from .scene import Scene
from .shading import STYLES, Style, paint

GREY = 0.5
Report = Callable[[int], None]  # gets the number of frames that are done


def chunks(count: int, step: int) -> Iterator[slice]:
    """`count` frames in pieces of up to `step`."""
    for begin in range(0, count, step):
        yield slice(begin, min(begin + step, count))


def write(clip: dict[str, Tensor], part: dict[str, Tensor], frames: slice, count: int) -> None:
    """Writes values of some frames into those of a clip of `count`; frames are the second dimension of layers, else the first."""
    for name, values in part.items():
        axis = 1 if name == "layers" else 0
        if name not in clip:
            clip[name] = values.new_empty(*values.shape[:axis], count, *values.shape[axis + 1 :])
        clip[name].narrow(axis, frames.start, frames.stop - frames.start).copy_(values)


def render_pictures(scene: Scene, actors: Actors, camera: Camera, samples: int, step: int, report: Report) -> dict:
    """The shaded pictures, layers and masks of a clip, `step` frames at a time."""
    style = STYLES[scene.style]
    still = render_empty_room(scene, camera.frames(slice(0, 1)), style, samples) if camera.is_still() else None
    clip = {}
    for frames in chunks(scene.frames, step):
        room = still or render_empty_room(scene, camera.frames(frames), style, samples)
        write(clip, render_frames(scene, actors, camera, frames, style, samples, room), frames, scene.frames)
        report(frames.stop)
    return clip


def render_geometry(scene: Scene, actors: Actors, camera: Camera, step: int, report: Report) -> dict:
    """Depth, layer, owner, part and body of a clip at pixel centres, `step` frames at a time."""
    still = render_room_depth(scene.room, camera.frames(slice(0, 1))) if camera.is_still() else None
    clip = {}
    for frames in chunks(scene.frames, step):
        room = render_room_depth(scene.room, camera.frames(frames)) if still is None else still
        part = geometry(actors, camera, frames, room.expand(frames.stop - frames.start, -1, -1))
        write(clip, part, frames, scene.frames)
        report(frames.stop)
    return clip


def render_character(scene: Scene, samples: int = 2) -> tuple[Tensor, Tensor]:
    """The character alone in A-pose on grey: picture (1, H, W, 3) and mask (1, H, W)."""
    one = replace(scene, frames=1, objects=(), camera="still")
    actors, camera, style = stage_actors(one, Angles.a_pose()), one.view(), STYLES[scene.style]
    smooth = camera.refined(samples)
    hits = z_buffer(actors.capsules(smooth, slice(0, 1)), smooth, 1)
    colours = paint(hits, actors, scene, camera, slice(0, 1), style)
    return on_grey(accumulate(hits, colours, torch.ones_like(hits.depth), samples)[0])


def character_keypoints(scene: Scene) -> list:
    """The pose of the character in that picture, as POSE_KEYPOINT of one frame."""
    one = replace(scene, frames=1, objects=(), camera="still")
    camera = one.view()
    return openpose_keypoints(camera.to_camera(stage_actors(one, Angles.a_pose()).joints), camera)


def render_empty_room(scene: Scene, camera: Camera, style: Style, samples: int) -> tuple[Tensor, Tensor]:
    """The empty room: colour (F, H, W, 3) and depth at samples (F, S H, S W)."""
    fine, fine_depth = render_room(scene.room, camera.refined(samples), style)
    return fine.view(fine.shape[0], camera.height, samples, camera.width, samples, 3).mean((2, 4)), fine_depth


def render_frames(
    scene: Scene, actors: Actors, camera: Camera, frames: slice, style: Style, samples: int, room: tuple[Tensor, Tensor]
) -> dict:
    """Pictures, layers and masks of some frames; the empty room has one frame under a still camera."""
    count = frames.stop - frames.start
    background, fine_depth = (part.expand(count, *part.shape[1:]) for part in room)
    fine = camera.refined(samples)
    hits = z_buffer(actors.capsules(fine, frames), fine, actors.layers)
    colours = paint(hits, actors, scene, camera, frames, style)
    shown, _ = visible(hits, fine_depth)
    layers = accumulate(hits, colours, shown.to(colours), samples)
    whole = accumulate(hits, colours, (hits.layer == 0).to(colours), samples)[0]
    person, whole_mask = on_grey(whole)
    cover = layers[..., 3]
    near = actors.in_front(camera, frames).to(cover)
    occluder = (cover[1:] * near[:, :, None, None]).sum(0)
    return {
        "rgb": composite(layers, background),
        "scene_images": background,
        "person_images": person,
        "layers": layers,
        "person_mask": cover[0],
        "occluder_mask": occluder,
        "scene_mask": (1 - cover[0] - occluder).clamp(0, 1),
        "whole_person_mask": whole_mask,
    }


def geometry(actors: Actors, camera: Camera, frames: slice, room_depth: Tensor) -> dict:
    """Depth, layer, owner, part and body at pixel centres of some frames, in the empty room's depth (F, H, W)."""
    hits = z_buffer(actors.capsules(camera, frames), camera, actors.layers)
    shown, depth = visible(hits, room_depth)
    pixel = hits.pixel
    owner = actors.owner[hits.capsule].to(torch.uint8)
    blank = lambda dtype, *channels: torch.zeros(room_depth.numel(), *channels, dtype=dtype)
    layer, owners, part, body = blank(torch.uint8), blank(torch.uint8), blank(torch.uint8), blank(torch.float32, 3)
    layer[pixel[shown]] = (hits.layer[shown] + 1).to(torch.uint8)
    owners[pixel[shown]] = owner[shown]
    person = hits.layer == 0
    part[pixel[person]] = owner[person]
    body[pixel[person]] = actors.canonical(hits, camera, frames)[person]
    shape = room_depth.shape
    return {
        "depth": depth.view(shape),
        "scene_depth": room_depth,
        "layer": layer.view(shape),
        "owner": owners.view(shape),
        "part": part.view(shape),
        "body": body.view(*shape, 3),
    }


def visible(hits: Hits, room_depth: Tensor) -> tuple[Tensor, Tensor]:
    """Which hits (M,) are the nearest thing at their pixel, and the nearest depth of every pixel (F H W,)."""
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


def composite(layers: Tensor, scene: Tensor) -> Tensor:
    """Lay premultiplied layers (L, F, H, W, 4) over pictures of the scene (F, H, W, 3)."""
    total = layers.sum(0)
    return (total[..., :3] + (1 - total[..., 3:]) * scene).clamp(0, 1)


def on_grey(layer: Tensor) -> tuple[Tensor, Tensor]:
    """A premultiplied layer (F, H, W, 4) on grey, and its coverage (F, H, W)."""
    return layer[..., :3] + (1 - layer[..., 3:]) * GREY, layer[..., 3]


def exact_flow(
    layer: Tensor, owner: Tensor, depth: Tensor, poses: Tensor, camera: Camera, step: int, report: Report
) -> dict:
    """Forward and backward flow between neighbouring frames, and where it is valid."""
    pairs = depth.shape[0] - 1
    size = depth.shape[1:]
    out = {}
    for turn, (name, here, there) in enumerate(
        (("forward", slice(0, pairs), slice(1, None)), ("backward", slice(1, None), slice(0, pairs)))
    ):
        motion = relative_motion(poses[here], poses[there])
        out[name], out[f"{name}_valid"] = depth.new_empty(pairs, *size, 2), torch.empty(pairs, *size, dtype=torch.bool)
        for some in chunks(pairs, step):
            flow, new_depth = rigid_flow(depth[here][some], owner[here][some].long(), motion[some], camera)
            out[name][some] = flow
            out[f"{name}_valid"][some] = arrives(
                flow, new_depth, layer[here][some], layer[there][some], depth[there][some]
            )
            report((turn * pairs + some.stop) // 2)
    return out


def find_pose(scene: Scene, actors: Actors, camera: Camera, report: Report) -> dict:
    """Joints in camera space, keypoints and the pose pictures."""
    joints = camera.to_camera(actors.joints)
    keypoints = openpose_keypoints(joints, camera)
    pose = drawing.draw(keypoints, scene.height, scene.width, report=report)
    return {"joints": joints, "keypoints": keypoints, "pose": pose}


def openpose_keypoints(joints: Tensor, camera: Camera) -> list:
    """(F, 18, 3) joints in camera space to POSE_KEYPOINT; eyes and ears on the far side of the head score 0."""
    points = camera.project(joints)
    x, y = points.unbind(-1)
    score = ((x >= 0) & (x <= camera.width - 1) & (y >= 0) & (y <= camera.height - 1)).float()
    middle = joints[:, 16:18].mean(1)[:, None, 2]
    head = [0, 14, 15, 16, 17]
    score[:, head] *= (joints[:, head, 2] < middle + 0.02).float()
    return formats.from_joints(points, score, camera.height, camera.width)
