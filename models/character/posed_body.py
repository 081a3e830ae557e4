"""Joints to pictures of a body: the standard body posed on them and rendered by the z-buffer of the stage.

Each point of the body has the colour of its place on the standard body in A-pose, so a picture shows which part is
visible, where on it, and what of the body hides what (the motion code of MIMO, section 3.2, without SMPL).
Letters: N frames, B bones, K capsules, H and W pixels.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..stage.actors import Actors
from ..stage.body.capsules import z_buffer
from ..stage.body.character import Body, Character, build_body
from ..stage.body.skeleton import BONES, INDEX
from ..view.camera import Camera
from .skeleton import standard_joints, standard_length

SIDES = (("right", (2, 3, 4), (8, 9, 10)), ("left", (5, 6, 7), (11, 12, 13)))


@dataclass(frozen=True)
class PosedBody:
    """A body in the pose of each frame, and its camera."""

    actors: Actors
    camera: Camera
    present: Tensor  # (N,) bool: there is a person in the frame


@dataclass(frozen=True)
class BodyPictures:
    body: Tensor  # (N, H, W, 3) place on the standard body, 0 outside
    depth: Tensor  # (N, H, W) metres, 0 outside
    mask: Tensor  # (N, H, W) 0 or 1
    part: Tensor  # (N, H, W) uint8, 0 outside, else 1 + bone


def pose_body(
    joints: Tensor,
    focal: float,
    height: int,
    width: int,
    present: Tensor | None = None,
    thickness: tuple[float, float] | None = None,
) -> PosedBody:
    """The standard body on (N, 18, 3) joints in camera space, for a camera of that focal length in pixels.

    With a `thickness` as in fit_body() the body is that of the frames in which the person is present.
    """
    frames = len(joints)
    body = fit_body(joints if thickness is None else joints[present], thickness)
    turns, origins = bone_poses(joints, body)
    still = torch.eye(3).expand(frames, 1, 3, 3)
    actors = Actors(
        body=body,
        turns=torch.cat((still, turns), 1),
        origins=torch.cat((torch.zeros(frames, 1, 3), origins), 1),
        start=body.start,
        end=body.end,
        start_radius=body.start_radius,
        end_radius=body.end_radius,
        owner=body.bone + 1,
        layer=torch.zeros_like(body.bone),
        joints=joints,
    )
    camera = Camera(still[:, 0], torch.zeros(frames, 3), focal, height, width)
    present = torch.ones(frames, dtype=torch.bool) if present is None else present
    return PosedBody(actors, camera, present)


def fit_body(joints: Tensor, thickness: tuple[float, float] | None = None) -> Body:
    """The standard body with the limbs, shoulders and head of (N, 18, 3) joints, each as long as over the whole clip.

    It is as thick as the shoulders are wide, within `thickness`, two shares of what the height asks for.
    """
    body, (_, radius) = build_body(Character()), standard_joints()
    length = lambda a, b: limb_length(joints[:, a] - joints[:, b])
    ratio = lambda pairs: sum(length(a, b) / standard_length(a, b) for a, b in pairs) / len(pairs)
    wide = ratio([(2, 5)])
    trunk = limb_length(joints[:, 1] - joints[:, [8, 11]].mean(1)) / 0.445
    if thickness is not None:
        height = (trunk + 2 * ratio([(8, 9), (11, 12), (9, 10), (12, 13)])) / 3
        wide = wide.clamp(*(bound * height for bound in thickness))
    head = length(16, 17) / (1.96 * radius)
    tall = {"upper_arm": ratio([(2, 3), (5, 6)]), "forearm": ratio([(3, 4), (6, 7)]), "pelvis": trunk, "chest": trunk}
    tall |= {"thigh": ratio([(8, 9), (11, 12)]), "shin": ratio([(9, 10), (12, 13)]), "head": head}
    tall |= {"hand": tall["forearm"], "foot": tall["shin"]}
    name = [bone.split("_", 1)[-1] for bone in BONES]
    high = torch.stack([torch.as_tensor(tall[name[bone]]) for bone in body.bone.tolist()])
    thick = torch.where(body.bone == INDEX["head"], head, wide)
    scale = torch.stack((thick, high, thick), -1)
    return replace(
        body,
        offsets=body.offsets * trunk,
        start=body.start * scale,
        end=body.end * scale,
        start_radius=body.start_radius * thick,
        end_radius=body.end_radius * thick,
        head_radius=body.head_radius * head.item(),
    )


def limb_length(limb: Tensor) -> Tensor:
    """The length of (N, 3) limbs: their 0.9 quantile, since flat joints make limbs shorter and errors make them longer."""
    return limb.norm(dim=-1).quantile(0.9)


def bone_poses(joints: Tensor, body: Body) -> tuple[Tensor, Tensor]:
    """(N, 18, 3) joints to rotations (N, B, 3, 3) and origins (N, B, 3) of the bones; limbs swing without a twist."""
    hips, neck = joints[:, [8, 11]].mean(1), joints[:, 1]
    up = neck - hips
    turns, origins = torch.zeros(len(joints), len(BONES), 3, 3), torch.zeros(len(joints), len(BONES), 3)

    def put(bone: str, turn: Tensor, origin: Tensor) -> None:
        turns[:, INDEX[bone]], origins[:, INDEX[bone]] = turn, origin

    chest = axes(joints[:, 5] - joints[:, 2], up)
    pelvis = axes(joints[:, 11] - joints[:, 8], up)
    rise = lambda turn, bone: turn[:, :, 1] * -body.offsets[INDEX[bone], 1]
    put("pelvis", pelvis, hips + rise(pelvis, "right_thigh"))
    put("chest", chest, neck + rise(chest, "right_upper_arm"))
    put("head", *head_bone(joints, body.head_radius))
    for side, arm, leg in SIDES:
        for parent, names, places in (
            (chest, ("upper_arm", "forearm", "hand"), arm),
            (pelvis, ("thigh", "shin", "foot"), leg),
        ):
            upper = swing(parent, joints[:, places[1]] - joints[:, places[0]])
            lower = swing(upper, joints[:, places[2]] - joints[:, places[1]])
            for name, turn, joint in zip(names, (upper, lower, lower), places, strict=True):
                put(f"{side}_{name}", turn, joints[:, joint])
    return turns, origins


def head_bone(joints: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Rotation and origin of the head from the nose and the ears, which are placed as on the people of the stage."""
    side = normalize(joints[:, 17] - joints[:, 16], dim=-1)
    ears = joints[:, 16:18].mean(1)
    ahead = joints[:, 0] - ears
    ahead = normalize(ahead - (ahead * side).sum(-1, keepdim=True) * side, dim=-1)
    above = torch.linalg.cross(ahead, side)
    # From the ears the nose is 1.15 ahead and 0.2 down.
    up = normalize(1.15 * above - 0.2 * ahead, dim=-1)
    return torch.stack((side, up, torch.linalg.cross(side, up)), -1), ears - 1.2 * radius * up


def axes(side: Tensor, up: Tensor) -> Tensor:
    """(N, 3) directions to the left and up to (N, 3, 3) rotations whose columns are side, up and forward."""
    up = normalize(up, dim=-1)
    side = side - (side * up).sum(-1, keepdim=True) * up
    spare = torch.linalg.cross(up, up.new_tensor((0.0, 0.0, -1.0)).expand_as(up))
    side = normalize(torch.where(side.norm(dim=-1, keepdim=True) > 1e-6, side, spare), dim=-1)
    return torch.stack((side, up, torch.linalg.cross(side, up)), -1)


def swing(parent: Tensor, along: Tensor) -> Tensor:
    """(N, 3, 3) rotation of a limb that hangs in its parent's axes, turned the shortest way to (N, 3) `along`."""
    start, end = -parent[:, :, 1], normalize(along, dim=-1)
    axis, cosine = torch.linalg.cross(start, end), (start * end).sum(-1)[:, None, None]
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).view(-1, 3, 3)
    turn = torch.eye(3) + cross + cross @ cross / (1 + cosine).clamp_min(1e-3)
    return turn @ parent


def render_body(posed: PosedBody, frames: slice, size: tuple[int, int] | None = None) -> BodyPictures:
    """The pictures of some frames, at the size of the camera or at another of the same aspect ratio."""
    height, width = size or (posed.camera.height, posed.camera.width)
    focal = posed.camera.focal * height / posed.camera.height
    camera = replace(posed.camera, focal=focal, height=height, width=width)
    count = len(range(*frames.indices(len(posed.present))))
    hits = z_buffer(posed.actors.capsules(camera, frames), camera, 1)
    there = posed.present[frames][hits.frame]
    pixel = hits.pixel[there]
    blank = lambda *channels, dtype=torch.float32: torch.zeros(count * height * width, *channels, dtype=dtype)
    body, depth, part = blank(3), blank(), blank(dtype=torch.uint8)
    body[pixel] = posed.actors.canonical(hits, camera, frames)[there]
    depth[pixel] = hits.depth[there]
    part[pixel] = posed.actors.owner[hits.capsule][there].to(torch.uint8)
    shape = (count, height, width)
    depth = depth.view(shape)
    return BodyPictures(body.view(*shape, 3), depth, (depth > 0).float(), part.view(shape))
