"""The stage against mathematics: flow, depth, layers and captions say the same about one scene."""

import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import replace
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
    character_keypoints,
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
from pack.models.stage.clip import GROUPS, Clip, Part
from pack.models.stage.render import visible
from pack.models.stage.room import render_room_depth
from pack.models.stage.texture import PALETTE

render_module = sys.modules["pack.models.stage.render"]  # the package has a function of this name
SMALL = {"frames": 4, "height": 64, "width": 64}


def tensors(clip):
    parts = {name: getattr(clip, name) for name, value in vars(Clip).items() if isinstance(value, Part)}
    return {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}


def uniform(labels, radius=1):
    """True where all pixels within the radius carry the same label: inside a surface, away from its edges."""
    x = labels.float()[:, None]
    high = torch.nn.functional.max_pool2d(x, 2 * radius + 1, 1, radius)
    return (high == -torch.nn.functional.max_pool2d(-x, 2 * radius + 1, 1, radius))[:, 0]


def surfaces(scene):
    """Which capsule is visible at every pixel centre, 0 for the room: skin, hair, shirt and shoes are capsules apart."""
    camera, actors = scene.view(), stage_actors(scene)
    hits = z_buffer(actors.capsules(camera, slice(0, scene.frames)), camera, actors.layers)
    room = render_room_depth(scene.room, camera).expand(scene.frames, -1, -1)
    shown, _ = visible(hits, room)
    labels = torch.zeros(room.numel(), dtype=torch.int64)
    labels[hits.pixel[shown]] = 1 + hits.capsule[shown]
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


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("camera, samples", [("still", 1), ("orbit", 2)])
def test_parts_are_the_same_in_whatever_order_they_are_asked_for(style, camera, samples):
    scene = sample_scene(4, objects=2, camera=camera, style=style, **SMALL)
    whole, single = render(scene, samples).compute(*GROUPS), render(scene, samples)
    for name, part in reversed(tensors(whole).items()):
        assert torch.equal(getattr(single, name), part), name
    assert single.keypoints == whole.keypoints and single.character_keypoints == whole.character_keypoints
    alone = render_character(scene, samples)[0]
    assert torch.equal(whole.character, alone) and whole.character_keypoints == character_keypoints(scene)


@pytest.fixture
def calls(monkeypatch):
    """How often the expensive steps ran."""
    count = Counter()

    def counted(name):
        real = getattr(render_module, name)

        def step(*args, **rest):
            count[name] += 1
            return real(*args, **rest)

        monkeypatch.setattr(render_module, name, step)

    for name in ("z_buffer", "paint", "geometry", "rigid_flow", "render_room"):
        counted(name)
    return count


def test_only_what_is_asked_for_is_computed_and_only_once(calls):
    clip = render(sample_scene(4, **SMALL))
    assert clip.caption and clip.action and not calls, "a clip by itself computes nothing"
    assert clip.rgb.shape[0] == 4 and clip.scene_mask.shape[0] == 4
    assert calls == {"z_buffer": 1, "paint": 1, "render_room": 1}, "no geometry and no flow"
    calls.clear()
    assert clip.pose.shape[0] == 4 and not calls, "a pose needs no pixels"
    assert clip.depth.shape[0] == 4 and clip.body.shape[0] == 4
    assert calls == {"z_buffer": 1, "geometry": 1}, "no shading"
    calls.clear()
    assert clip.forward.shape[0] == clip.backward_valid.shape[0] == 3 and calls == {"rigid_flow": 2}
    calls.clear()
    assert clip.character.shape[0] == len(clip.character_keypoints) == 1 and calls == {"z_buffer": 1, "paint": 1}
    calls.clear()
    clip.compute(*GROUPS)
    tensors(clip)
    assert not calls, "everything is kept"


def test_nothing_larger_than_the_clip_is_kept():
    """Samples inside a pixel are only averaged, so no tensor that stays has four times as many pixels."""
    clip = render(sample_scene(4, camera="orbit", **SMALL)).compute(*GROUPS)
    kept = [value for group in vars(clip).values() if isinstance(group, dict) for value in group.values()]
    kept = [value for value in kept if isinstance(value, torch.Tensor)]
    assert len(kept) == len(tensors(clip))
    pixels = 4 * 64 * 64
    assert all(value.untyped_storage().nbytes() <= pixels * 4 * 4 * len(clip.layers) for value in kept)


def test_progress_rises_to_its_end_and_an_interrupted_part_is_computed_again():
    clip, done = render(sample_scene(4, frames=7, height=64, width=64), chunk=3), []
    clip.compute("pictures", report=done.append)
    assert done == [3, 6, 7, 7]
    done.clear()
    clip.compute(*GROUPS, report=done.append)
    assert done == sorted(done) and done[-1] == 7 * len(GROUPS) and {7, 10, 13, 14} <= set(done)

    def cancel(frames):
        raise InterruptedError

    other = render(clip.scene, chunk=3)
    with pytest.raises(InterruptedError):
        other.compute("geometry", report=cancel)
    assert torch.equal(other.depth, clip.depth), "it is whole, and reports no more"


def test_chunks_do_not_change_a_pixel():
    scene = sample_scene(5, frames=7, height=64, width=64, camera="orbit")
    whole, cut = tensors(render(scene, chunk=7)), tensors(render(scene, chunk=3))
    for name in whole:
        assert torch.equal(whole[name], cut[name]), name


@pytest.mark.parametrize("camera", ["still", "orbit", "dolly", "sway"])
def test_flow_reprojects_the_next_frame(camera):
    """Fetching frame i+1 along the forward flow gives frame i, on the person alone as on everything."""
    errors = {"everything": [], "the person": []}
    for seed in range(4):
        scene = sample_scene(seed, frames=3, frame_rate=24, action="dance", height=128, width=128, camera=camera)
        clip = render(scene)
        inside = uniform(surfaces(scene))
        for flow, valid, here, there in (
            (clip.forward, clip.forward_valid, slice(0, 2), slice(1, 3)),
            (clip.backward, clip.backward_valid, slice(1, 3), slice(0, 2)),
        ):
            error = (warp(clip.rgb[there], flow) - clip.rgb[here]).abs().mean(-1) * 255
            chosen = valid & inside[here]
            person = chosen & (clip.layer[here] == 1)
            assert (flow[person].abs().amax(-1) > 0.5).any(), "the person moves"
            errors["everything"].append(error[chosen].mean())
            errors["the person"].append(error[person].mean())
    for name, bound in (("everything", 1.0), ("the person", 2.0)):
        assert sum(errors[name]) / len(errors[name]) < bound, name


def test_flow_follows_the_joints():
    """A joint's picture moves as the flow says, within what a joint lies below its skin."""
    clip = render(sample_scene(2, frames=4, frame_rate=24, action="dance", height=192, width=192, objects=0))
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
    clip = render(sample_scene(1, frames=3, frame_rate=24, action="turn", height=128, width=128, objects=1))
    back = warp(clip.backward, clip.forward)
    inside = uniform(clip.layer.float() * 100 + clip.part, 2)
    chosen = clip.forward_valid & inside[:-1] & (clip.layer[:-1] > 0)
    assert chosen.sum() > 500
    assert (clip.forward + back)[chosen].norm(dim=-1).quantile(0.95) < 0.1


def test_layers_over_the_scene_are_the_picture():
    for camera in ("still", "orbit"):
        clip = render(sample_scene(4, objects=3, camera=camera, **SMALL))
        assert torch.equal(composite(clip.layers, clip.scene_images), clip.rgb)
    hard = render(sample_scene(4, objects=3, **SMALL), samples=1)
    assert set(hard.layers[..., 3].unique().tolist()) == {0.0, 1.0}
    laid = hard.scene_images
    for layer in hard.layers:
        laid = torch.where(layer[..., 3:] > 0, layer[..., :3], laid)
    assert torch.equal(laid.clamp(0, 1), hard.rgb)


def test_masks_share_every_pixel():
    clip = render(sample_scene(6, objects=3, **SMALL))
    assert torch.allclose(
        clip.person_mask + clip.occluder_mask + clip.scene_mask, torch.ones_like(clip.person_mask), atol=1e-6
    )
    assert (clip.person_mask <= clip.whole_person_mask + 1e-6).all()
    assert (clip.depth <= clip.scene_depth).all()
    assert torch.equal(clip.depth == clip.scene_depth, clip.layer == 0)


def test_the_scene_is_what_an_empty_stage_shows():
    scene = sample_scene(9, **SMALL)
    clip = render(scene)
    assert (clip.rgb - clip.scene_images).abs().amax(-1)[clip.scene_mask == 1].max() < 1e-6 or len(scene.objects) > 1
    still = render(replace(scene, objects=()))
    assert torch.equal(still.scene_images, clip.scene_images)


def test_the_first_object_passes_in_front_of_the_person():
    for seed in range(25):
        clip = render(sample_scene(seed, frames=9, height=64, width=64, objects=1))
        hidden = (clip.whole_person_mask - clip.person_mask).clamp_min(0).sum((1, 2))
        assert hidden.max() > 3, f"seed {seed}: {clip.caption}"
        assert hidden[0] < 0.7 * clip.whole_person_mask[0].sum(), "the person is not hidden from the start"


def test_edits_keep_what_they_do_not_touch():
    scene = sample_scene(3, objects=1, **SMALL)
    source, colours, other = render(scene), render(scene.with_colours(8)), render(scene.with_character(21))
    night = render(scene.in_style("night"))
    for edited in (colours, night):
        for name in ("depth", "layer", "part", "body", "forward", "pose", "person_mask"):
            assert torch.equal(getattr(source, name), getattr(edited, name)), name
    assert torch.equal(source.rgb[source.person_mask == 0], colours.rgb[source.person_mask == 0])
    assert (source.rgb - colours.rgb).abs()[source.person_mask == 1].mean() > 0.05
    assert torch.equal(source.scene_images, other.scene_images) and not torch.equal(
        source.person_images, other.person_images
    )
    swapped = render(replace(sample_scene(40, **SMALL), action=scene.action, motion_seed=scene.motion_seed))
    assert swapped.action == source.action


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_actions_move_and_stand_on_the_floor(action):
    scene = sample_scene(7, frames=48, frame_rate=24, action=action)
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
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3}
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
        a, b = one.body[one.part == part], two.body[two.part == part]
        if min(len(a), len(b)) > 20:
            assert (a.mean(0) - b.mean(0)).abs().max() < 0.12, part
    assert (one.body[one.part == 0] == 0).all()
    head, foot = one.body[one.part == 3][:, 1].mean(), one.body[one.part == 12][:, 1].mean()
    assert head > 0.8 and foot < 0.15


def test_a_face_turned_away_has_no_eyes():
    scene = sample_scene(0, frames=36, frame_rate=12, height=64, width=64, action="turn", objects=0)
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
        ({"frame_rate": 0}, "frame rate above 0"),
        ({"action": "fly"}, "wave, walk, squat"),
        ({"camera": "drone"}, "still, sway"),
        ({"style": "cubist"}, "natural, flat"),
    ],
)
def test_bad_scenes_are_refused_in_words(wrong, says):
    with pytest.raises(ValueError, match=says):
        sample_scene(0, **{"frames": 2, **wrong})
