"""The stage against mathematics: flow, depth, layers and captions say the same about one scene."""

import hashlib
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from pack.models import choices
from pack.models.flow.warp import warp
from pack.models.stage import (
    ACTION_NAMES,
    CAMERAS,
    STYLES,
    VOCABULARY,
    composite,
    describe,
    render,
    render_character,
    sample_scene,
)
from pack.models.stage.actors import stage_actors
from pack.models.stage.body.capsules import z_buffer
from pack.models.stage.body.character import build_body
from pack.models.stage.body.motion import ACTIONS
from pack.models.stage.body.skeleton import pose_bones
from pack.models.stage.render import visible
from pack.models.stage.room import render_room_depth
from pack.models.stage.texture import PALETTE

SMALL = {"frames": 4, "height": 64, "width": 64}


def tensors(clip):
    return {f.name: getattr(clip, f.name) for f in fields(clip) if isinstance(getattr(clip, f.name), torch.Tensor)}


def uniform(labels, radius=1):
    """True where all pixels within the radius carry the same label: inside a surface, away from its edges."""
    x = labels.float()[:, None]
    high = torch.nn.functional.max_pool2d(x, 2 * radius + 1, 1, radius)
    return (high == -torch.nn.functional.max_pool2d(-x, 2 * radius + 1, 1, radius))[:, 0]


def surfaces(scene):
    """Which capsule is seen at every pixel centre, 0 for the room: skin, hair, shirt and shoes are capsules apart."""
    camera, actors = scene.view(), stage_actors(scene)
    hits = z_buffer(actors.capsules(camera, slice(0, scene.frames)), camera, actors.layers)
    room = render_room_depth(scene.room, camera).expand(scene.frames, -1, -1)
    seen, _ = visible(hits, room)
    labels = torch.zeros(room.numel(), dtype=torch.int64)
    labels[hits.pixel[seen]] = 1 + hits.capsule[seen]
    return labels.view(room.shape)


def digest(seed):
    clip = render(sample_scene(seed, **SMALL))
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors(clip).values())).hexdigest()


def test_same_seed_same_pixels_in_another_process():
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('conftest', {str(Path(__file__).parents[2] / 'conftest.py')!r})\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
        f"spec = importlib.util.spec_from_file_location('t', {__file__!r})\n"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t); print(t.digest(11))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == digest(11) != digest(12)


def test_chunks_do_not_change_a_pixel():
    scene = sample_scene(5, frames=7, height=64, width=64, camera="orbit")
    whole, cut = tensors(render(scene, chunk=7)), tensors(render(scene, chunk=3))
    for name in whole:
        assert torch.equal(whole[name], cut[name]), name


@pytest.mark.parametrize("camera", ["still", "orbit", "dolly", "sway"])
def test_flow_reprojects_the_next_frame(camera):
    """Fetching frame i+1 along the forward flow gives frame i, on the figure alone as on everything."""
    errors = {"everything": [], "the figure": []}
    for seed in range(4):
        scene = sample_scene(seed, frames=3, fps=24, action="dance", height=128, width=128, camera=camera)
        clip = render(scene)
        inside = uniform(surfaces(scene))
        for flow, valid, here, there in (
            (clip.forward, clip.forward_valid, slice(0, 2), slice(1, 3)),
            (clip.backward, clip.backward_valid, slice(1, 3), slice(0, 2)),
        ):
            error = (warp(clip.rgb[there], flow) - clip.rgb[here]).abs().mean(-1) * 255
            chosen = valid & inside[here]
            figure = chosen & (clip.layer[here] == 1)
            assert (flow[figure].abs().amax(-1) > 0.5).any(), "the figure moves"
            errors["everything"].append(error[chosen].mean())
            errors["the figure"].append(error[figure].mean())
    for name, bound in (("everything", 1.0), ("the figure", 2.0)):
        assert sum(errors[name]) / len(errors[name]) < bound, name


def test_flow_follows_the_joints():
    """A joint's picture moves as the flow says, within what a joint lies below its skin."""
    clip = render(sample_scene(2, frames=4, fps=24, action="dance", height=192, width=192, objects=0))
    size = 192
    focal = sample_scene(2, height=size, width=size).view().focal
    points = clip.joints[..., :2] / clip.joints[..., 2:] * focal + (size - 1) / 2
    moved = points[1:] - points[:-1]
    checked = 0
    for frame in range(3):
        for joint in (3, 4, 6, 7, 9, 10, 12, 13):
            x, y = points[frame, joint].round().long().tolist()
            if clip.forward_valid[frame, y, x] and clip.part[frame, y, x] and moved[frame, joint].norm() > 1:
                assert (clip.forward[frame, y, x] - moved[frame, joint]).norm() < 0.5 * moved[frame, joint].norm() + 0.5
                checked += 1
    assert checked >= 3


def test_there_and_back_again():
    clip = render(sample_scene(1, frames=3, fps=24, action="turn", height=128, width=128, objects=1))
    back = warp(clip.backward, clip.forward)
    inside = uniform(clip.layer.float() * 100 + clip.part, 2)
    chosen = clip.forward_valid & inside[:-1] & (clip.layer[:-1] > 0)
    assert chosen.sum() > 500
    assert (clip.forward + back)[chosen].norm(dim=-1).quantile(0.95) < 0.1


def test_layers_over_the_plate_are_the_picture():
    for camera in ("still", "orbit"):
        clip = render(sample_scene(4, objects=3, camera=camera, **SMALL))
        assert torch.equal(composite(clip.layers, clip.plate), clip.rgb)
    hard = render(sample_scene(4, objects=3, **SMALL), samples=1)
    assert set(hard.layers[..., 3].unique().tolist()) == {0.0, 1.0}
    laid = hard.plate
    for layer in hard.layers:
        laid = torch.where(layer[..., 3:] > 0, layer[..., :3], laid)
    assert torch.equal(laid.clamp(0, 1), hard.rgb)


def test_masks_share_every_pixel():
    clip = render(sample_scene(6, objects=3, **SMALL))
    assert torch.allclose(clip.human + clip.occluder + clip.scene, torch.ones_like(clip.human), atol=1e-6)
    assert (clip.human <= clip.whole_human + 1e-6).all()
    assert (clip.depth <= clip.plate_depth).all()
    assert torch.equal(clip.depth == clip.plate_depth, clip.layer == 0)


def test_plate_is_what_an_empty_stage_shows():
    scene = sample_scene(9, **SMALL)
    clip = render(scene)
    assert (clip.rgb - clip.plate).abs().amax(-1)[clip.scene == 1].max() < 1e-6 or len(scene.props) > 1
    still = render(replace(scene, props=()))
    assert torch.equal(still.plate, clip.plate)


def test_the_first_object_passes_before_the_figure():
    for seed in range(25):
        clip = render(sample_scene(seed, frames=9, height=64, width=64, objects=1))
        hidden = (clip.whole_human - clip.human).clamp_min(0).sum((1, 2))
        assert hidden.max() > 3, f"seed {seed}: {clip.caption}"
        assert hidden[0] < 0.7 * clip.whole_human[0].sum(), "the figure is not hidden from the start"


def test_edits_keep_what_they_do_not_touch():
    scene = sample_scene(3, objects=1, **SMALL)
    source, colours, other = render(scene), render(scene.with_colours(8)), render(scene.with_character(21))
    night = render(scene.in_style("night"))
    for edited in (colours, night):
        for name in ("depth", "layer", "part", "surface", "forward", "pose", "human"):
            assert torch.equal(getattr(source, name), getattr(edited, name)), name
    assert torch.equal(source.rgb[source.human == 0], colours.rgb[source.human == 0])
    assert (source.rgb - colours.rgb).abs()[source.human == 1].mean() > 0.05
    assert torch.equal(source.plate, other.plate) and not torch.equal(source.figure, other.figure)
    swapped = render(replace(sample_scene(40, **SMALL), action=scene.action, motion_seed=scene.motion_seed))
    assert swapped.action == source.action


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_actions_move_and_stand_on_the_floor(action):
    scene = sample_scene(7, frames=48, fps=24, action=action)
    body, angles = build_body(scene.character), scene.angles()
    turns, origins = pose_bones(angles, body.offsets)
    assert origins.isfinite().all()
    identity = torch.eye(3).expand_as(turns)
    assert torch.allclose(turns @ turns.transpose(-1, -2), identity, atol=1e-5)
    start, end = body.place(turns, origins)
    assert (start[1:] - start[:-1]).norm(dim=-1).amax() > 0.005, "it moves"
    assert (start[1:] - start[:-1]).norm(dim=-1).amax() < 0.25, "and does not leap between frames"
    assert torch.allclose((start - end).norm(dim=-1), (body.start - body.end).norm(dim=-1)[None], atol=1e-5)
    assert (angles.lift >= 0).all() and (angles.lift.max() > 0.1) == (action == "jump")


def test_what_the_node_offers_is_what_there_is():
    assert choices.ACTIONS == ACTION_NAMES and choices.STYLES == tuple(STYLES) and choices.CAMERAS == CAMERAS


def test_eight_actions_and_many_characters():
    assert len(ACTIONS) >= 6 and {"wave", "walk", "squat", "jump", "turn", "dance"} <= set(ACTIONS)
    scenes = [sample_scene(seed) for seed in range(60)]
    assert len({scene.character for scene in scenes}) > 50
    assert {scene.action for scene in scenes} == set(ACTION_NAMES)
    assert {len(scene.props) for scene in scenes} == {1, 2, 3}
    counts = {build_body(scene.character).bone.numel() for scene in scenes}
    assert len(counts) == 1, "part codes need the same capsules for everyone"


def test_captions_keep_to_the_vocabulary():
    for seed in range(100):
        scene = sample_scene(seed, style=list(STYLES)[seed % len(STYLES)])
        words = describe(scene).split()
        assert set(words) <= set(VOCABULARY), set(words) - set(VOCABULARY)
        assert scene.character.shirt in words and scene.character.build in words
    assert set(PALETTE) <= set(VOCABULARY)


def test_part_codes_are_the_same_for_every_character():
    one = render(sample_scene(1, action="wave", objects=0, **SMALL))
    two = render(sample_scene(1, action="wave", objects=0, **SMALL).with_character(30))
    assert set(one.part.unique().tolist()) <= set(range(16)) and len(one.part.unique()) > 10
    for part in (3, 6, 10, 13, 11, 14):  # head, right hand, shins, feet: well apart on the canonical body
        a, b = one.surface[one.part == part], two.surface[two.part == part]
        if min(len(a), len(b)) > 20:
            assert (a.mean(0) - b.mean(0)).abs().max() < 0.12, part
    assert (one.surface[one.part == 0] == 0).all()
    head, foot = one.surface[one.part == 3][:, 1].mean(), one.surface[one.part == 12][:, 1].mean()
    assert head > 0.8 and foot < 0.15


def test_a_face_turned_away_has_no_eyes():
    scene = sample_scene(0, frames=36, fps=12, height=64, width=64, action="turn", objects=0)
    clip = render(scene)
    nose, right_eye = (
        [frame["people"][0]["pose_keypoints_2d"][3 * j + 2] for frame in clip.keypoints] for j in (0, 14)
    )
    assert 0 < sum(nose) < 36 and 0 < sum(right_eye) < 36
    chest = [frame["people"][0]["pose_keypoints_2d"][5] for frame in clip.keypoints]
    assert all(chest)


def test_character_picture_is_an_a_pose():
    picture, mask = render_character(sample_scene(3, **SMALL))
    assert picture.shape == (1, 64, 64, 3) and mask.shape == (1, 64, 64)
    assert torch.allclose(picture[mask == 0], torch.full((), 0.5))
    columns = mask[0].amax(0).nonzero()
    assert abs((columns.min() + columns.max()).item() / 2 - 31.5) < 2, "it faces the camera and is symmetric"


@pytest.mark.parametrize("size", [(65, 63), (48, 96), (97, 33)])
def test_odd_sizes_and_one_frame(size):
    height, width = size
    clip = render(sample_scene(2, frames=1, height=height, width=width))
    assert clip.rgb.shape == (1, height, width, 3) and clip.forward.shape == (0, height, width, 2)
    for name, value in tensors(clip).items():
        assert torch.isfinite(value.float()).all(), name


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"frames": 0}, "at least 1 frame"),
        ({"height": 8}, "16 x 16"),
        ({"fps": 0}, "frame rate above 0"),
        ({"action": "fly"}, "wave, walk, squat"),
        ({"camera": "drone"}, "still, sway"),
        ({"style": "cubist"}, "natural, flat"),
    ],
)
def test_bad_scenes_are_refused_in_words(wrong, says):
    with pytest.raises(ValueError, match=says):
        sample_scene(0, **{"frames": 2, **wrong})
