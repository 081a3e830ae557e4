"""Moved objects and blended clips against mathematics, and against the stage, which knows the depth of every layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pack.models.choices import DEPTH_BLENDS
from pack.models.depth.edit import blend, feathered, fill_from_nearest, move_object
from pack.models.depth.range import normalize_clip
from pack.models.stage import render, sample_scene

NEAR, FAR = 1.2, 7.0  # metres: one range for every clip here, so that greys of two clips can be compared


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def greys(metres):
    return normalize_clip(metres, None, "fixed", NEAR, FAR, depth_type="distance", depth_scale="inverse")[0]


def disc(frames=3, size=24, radius=6):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    here = (x - 11) ** 2 + (y - 12) ** 2 <= radius**2
    return here.float().expand(frames, -1, -1).clone()


@pytest.mark.parametrize("relief", [0.0, 0.5, 1.0, 2.0])
def test_mean_is_the_target_and_deviations_are_scaled(relief):
    depth, mask = 0.45 + 0.1 * rand(3, 24, 24), disc()
    target = torch.tensor([0.3, 0.5, 0.7])
    out, changed = move_object(depth, mask, target, relief, occlude=False)
    for before, after, there, goal in zip(depth, out, mask > 0, target, strict=True):
        assert abs(after[there].mean() - goal) < 1e-6
        expected = relief * (before[there] - before[there].mean())
        assert torch.allclose(after[there] - goal, expected, atol=1e-6)
        assert torch.equal(after[~there], before[~there]), "nothing else is touched"
    assert torch.equal(changed, (out - depth).abs() > 1e-5)


def test_what_already_stands_at_the_target_is_not_changed():
    depth, mask = rand(2, 24, 24), disc(2)
    own = torch.stack([frame[there > 0].mean() for frame, there in zip(depth, mask, strict=True)])
    for settings in ({}, {"scene_depth": depth}):
        out, changed = move_object(depth, mask, own, occlude=False, **settings)
        assert (out - depth).abs().max() < 1e-6 and not changed.any()


def test_relief_beyond_black_and_white_is_cut_off():
    out, _ = move_object(rand(1, 24, 24), disc(1), torch.tensor([0.95]), occlude=False)
    assert out.max() == 1 and out.min() >= 0


@pytest.mark.parametrize("occlude", [True, False])
def test_nearer_of_both_is_seen_pixel_by_pixel(occlude):
    depth, behind, mask = 0.4 + 0.2 * rand(2, 24, 24), rand(2, 24, 24, seed=1), disc(2)
    target = torch.tensor([0.35, 0.6])
    out, _ = move_object(depth, mask, target, occlude=occlude, scene_depth=behind)
    for k, there in enumerate(mask > 0):
        thing = target[k] + depth[k] - depth[k][there].mean()
        expected = torch.maximum(thing, behind[k]) if occlude else thing
        assert torch.allclose(out[k][there], expected[there], atol=1e-6)
        assert torch.equal(out[k][~there], depth[k][~there])
    if occlude:
        assert (out[mask > 0] == behind[mask > 0]).float().mean() > 0.3, "something is hidden"


def test_behind_the_object_is_what_stands_beside_it():
    depth = torch.full((1, 20, 30), 0.2)
    depth[:, :, 15:] = 0.8  # a near wall on the right
    mask = torch.zeros(1, 20, 30)
    mask[:, 5:15, 10:20] = 1
    depth[mask > 0] = 0.9
    out, changed = move_object(depth, mask, torch.tensor([0.5]))
    assert (out[0, 5:15, 15:20] == 0.8).all(), "the near wall hides the half of the object before it"
    assert torch.allclose(out[0, 5:15, 10:15], torch.tensor(0.5)), "the far wall does not"
    assert torch.equal(changed[0], mask[0] > 0)
    seen, _ = move_object(depth, mask, torch.tensor([0.5]), occlude=False)
    assert torch.allclose(seen[0, 5:15, 10:20], torch.tensor(0.5))


@pytest.mark.parametrize("seed", range(6))
def test_fill_from_nearest_against_every_distance(seed):
    values, known = rand(17, 23, seed=seed), rand(17, 23, seed=seed + 50) < 0.04
    known[3, 4] = True
    out = fill_from_nearest(values, known)
    places = known.nonzero().float()
    for y, x in (~known).nonzero().tolist():
        distance = (places - torch.tensor([y, x])).norm(dim=1)
        allowed = values[known][distance <= distance.min() * 1.03 + 1e-6]  # OpenCV's distance is off by 2 % at most
        assert (out[y, x] - allowed).abs().min() == 0
    assert torch.equal(out[known], values[known])


def test_fill_from_nearest_of_nothing_is_the_far_end():
    assert not fill_from_nearest(rand(4, 5), torch.zeros(4, 5, dtype=torch.bool)).any()
    values = rand(4, 5)
    assert torch.equal(fill_from_nearest(values, torch.ones(4, 5, dtype=torch.bool)), values)


def test_mask_over_the_whole_picture_has_nothing_that_could_hide_it():
    depth = rand(2, 6, 7) * 0.2 + 0.4
    out, _ = move_object(depth, torch.ones(2, 6, 7), torch.tensor([0.2, 0.7]), feather=4)
    assert torch.allclose(out.mean((1, 2)), torch.tensor([0.2, 0.7]), atol=1e-6)


@pytest.mark.parametrize("pixels", [1, 2, 4, 7.5])
def test_feather_is_a_ramp_about_the_edge(pixels):
    mask = torch.zeros(9, 40)
    mask[:, :20] = 1
    x = torch.arange(40.0)
    expected = (0.5 + (19.5 - x) / pixels).clamp(0, 1)
    assert torch.allclose(feathered(mask, pixels), expected.expand(9, -1), atol=1e-6)


def test_no_feather_keeps_the_edge_of_the_mask():
    soft = rand(6, 6)
    assert torch.equal(feathered(soft, 0), soft)
    assert not feathered(torch.zeros(5, 5), 3).any() and (feathered(torch.ones(5, 5), 3) == 1).all()


def test_feathered_edge_leads_from_the_surroundings_to_the_object():
    depth = torch.full((1, 9, 40), 0.2)
    mask = torch.zeros(1, 9, 40)
    mask[:, :, :20] = 1
    depth[mask > 0] = 0.6
    out, changed = move_object(depth, mask, torch.tensor([0.8]), feather=6)
    weight = feathered(mask[0], 6)
    assert torch.allclose(out[0], 0.2 + 0.6 * weight, atol=1e-6)
    assert (out[0].diff(dim=1) <= 0).all() and changed[0, 0, 21] and not changed[0, 0, 23]


def test_soft_edge_of_a_mask_leaves_nothing_of_the_old_depth_behind():
    """A pixel that the object covers by less than a half has its depth all the same."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    mask = (6.8 - torch.hypot(x - 11.3, y - 12.1)).clamp(0, 1)[None]
    depth = torch.where(mask > 0.2, 0.9, 0.1)
    assert ((mask > 0.2) & (mask < 0.5)).any()
    for settings in ({}, {"occlude": False}, {"scene_depth": torch.full_like(depth, 0.1)}):
        out, _ = move_object(depth, mask, torch.tensor([0.3]), relief=0.0, **settings)
        assert out.max() < 0.3 + 1e-6 and torch.allclose(
            out, torch.lerp(torch.tensor(0.1), torch.tensor(0.3), mask), atol=1e-6
        )


def test_frames_without_the_object_stay():
    depth, mask = rand(3, 24, 24), disc()
    mask[1] = 0
    out, changed = move_object(depth, mask, torch.full((3,), 0.5), feather=3)
    assert torch.equal(out[1], depth[1]) and not changed[1].any() and changed[0].any() and changed[2].any()


@pytest.mark.parametrize("mask", [torch.zeros(2, 8, 8), torch.full((2, 8, 8), 0.5)])
def test_mask_without_an_object_is_refused(mask):
    with pytest.raises(ValueError, match="object_mask: expected an object, got 2 masks without a pixel above 0.5"):
        move_object(rand(2, 8, 8), mask, torch.full((2,), 0.5))


@pytest.mark.parametrize("seed", range(10))
def test_moved_depth_stays_between_0_and_1(seed):
    depth, mask, behind = (rand(2, 11, 13, seed=seed + k) for k in (0, 100, 200))
    settings = {"relief": 5 * float(rand(1, seed=seed)), "feather": seed % 4, "occlude": seed % 2 == 0}
    out, _ = move_object(depth, mask, rand(2, seed=seed), scene_depth=behind if seed % 3 else None, **settings)
    assert torch.isfinite(out).all() and out.min() >= 0 and out.max() <= 1


def test_blend_by_its_definition():
    first, second, mask = rand(4, 5, 6), rand(4, 5, 6, seed=1), rand(4, 5, 6, seed=2)
    amount = torch.tensor([0.0, 0.3, 0.8, 1.0])
    goal = {
        "mix": second.numpy(),
        "nearest": np.maximum(first.numpy(), second.numpy()),
        "farthest": np.minimum(first.numpy(), second.numpy()),
    }
    assert set(goal) == set(DEPTH_BLENDS)
    for mode, other in goal.items():
        for limit in (None, mask):
            weight = amount.numpy()[:, None, None] * (1 if limit is None else limit.numpy())
            expected = first.numpy() * (1 - weight) + other * weight
            assert np.allclose(blend(first, second, amount, mode, limit).numpy(), expected, atol=1e-6)
        assert torch.equal(blend(first, second, 0.0, mode), first)
        assert torch.equal(blend(first, second, 1.0, mode), torch.from_numpy(other))
    with pytest.raises(ValueError, match="Expected one of mix, nearest, farthest, got 'add'"):
        blend(first, second, blend_mode="add")


@pytest.fixture(scope="module", params=[3, 32], ids=["pole", "pill"])
def stage(request):
    """An object that passes before the figure, with hard edges, and the same stage without it."""
    scene = sample_scene(request.param, frames=5, height=96, width=96, frame_rate=2.0, objects=1, action="dance")
    return scene, render(scene, 1), render(replace(scene, objects=()), 1)


def farther(scene, scale):
    """The object scaled about the camera: the same pixels, `scale` times as far away."""
    eye = scene.view().position[0]
    away = lambda place: tuple((eye + scale * (torch.tensor(place) - eye)).tolist())
    prop = scene.objects[0]
    return replace(
        scene,
        objects=(
            replace(
                prop,
                size=prop.size * scale,
                start=away(prop.start),
                end=away(prop.end),
                bounce=prop.bounce * scale,
            ),
        ),
    )


def mean_greys(metres, mask):
    """(N,) the mean grey of an object in each frame, 0 where it is not seen."""
    grey = greys(metres)
    return torch.stack([g[m].mean() if m.any() else g.new_zeros(()) for g, m in zip(grey, mask, strict=True)])


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.75, 2.0])
def test_object_of_the_stage_farther_away_is_the_stages_own_picture(stage, scale):
    """1 / depth of the scaled object is 1 / scale of what it was, so its relief is too; all else is the z-test."""
    scene, clip, empty = stage
    mask, moved = clip.layer == 2, render(farther(scene, scale), 1)
    assert (mask.flatten(1).sum(1) > 50).sum() >= 3
    target = mean_greys(clip.depth * scale, mask)
    out, _ = move_object(greys(clip.depth), mask.float(), target, 1 / scale, scene_depth=greys(empty.depth))
    assert (out - greys(moved.depth)).abs().max() < 5e-5
    assert torch.equal((out == greys(empty.depth))[mask], (moved.layer != 2)[mask]), "hidden where the stage hides it"
    assert bool((mask & (moved.layer == 1)).any()) == (scale > 1), "the figure hides it where it has gone behind"


@pytest.mark.parametrize("seed", [7, 41])
def test_what_hides_the_object_is_mostly_found_without_the_empty_stage(seed):
    scene = sample_scene(seed, frames=5, height=96, width=96, frame_rate=2.0, objects=1, action="dance")
    clip, moved = render(scene, 1), render(farther(scene, 1.75), 1)
    mask = clip.layer == 2
    hidden = mask & (moved.layer != 2)
    settings = greys(clip.depth), mask.float(), mean_greys(clip.depth * 1.75, mask), 1 / 1.75
    found = mask & (move_object(*settings)[0] > move_object(*settings, occlude=False)[0])
    assert hidden.sum() > 150 and (found != hidden).sum() < hidden.sum() / 2


def test_two_stages_in_one_space_are_their_nearest(stage):
    """One room and camera, other objects: put together by `nearest` they are the stage that holds them all, exactly."""
    scene, clip, _ = stage
    other = replace(scene, objects=sample_scene(31, objects=2).objects)
    both, alone = (render(one, 1).depth for one in (replace(other, objects=scene.objects + other.objects), other))
    assert torch.equal(blend(greys(clip.depth), greys(alone), 1.0, "nearest"), greys(both))
