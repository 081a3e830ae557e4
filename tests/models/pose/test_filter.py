"""Keypoints cleaned over time, against exact poses with the errors of a detector, and people who cross."""

import numpy as np
import pytest
import torch
from pack.models.pose.filter import Settings, filter_clip
from pack.models.pose.formats import BODY, PARTS, convert, from_joints, joints
from pack.models.pose.outliers import outliers
from pack.models.pose.people import shows_person
from pack.models.pose.smooth import jitter, smooth, solve
from tiny.detected import SIZE, as_keypoints, detected, detector_noise, stage_poses

ACTIONS = ("dance", "walk", "kick")


@pytest.fixture(scope="module", params=ACTIONS)
def exact(request):
    return stage_poses(action=request.param)


def shake(points, kept):
    return jitter(points.numpy(), kept.numpy())


def lag(points, exact, most=4):
    """Frames by which the speed of points (N, 18, 2) is behind that of exact ones, by cross-correlation, to a tenth."""
    moved, true = ((part[1:] - part[:-1]).flatten(1) for part in (points, exact))
    alike = []
    for late in range(-most, most + 1):
        a = moved[most + late : len(moved) - most + late]
        b = true[most : len(true) - most]
        alike.append(float((a * b).sum() / (a.norm() * b.norm())))
    top = int(np.argmax(alike))
    if not 0 < top < 2 * most:
        return top - most
    low, mid, high = alike[top - 1 : top + 2]
    return top - most + 0.5 * (low - high) / (low - 2 * mid + high)


@pytest.mark.parametrize("pixels", [2.7, 6.0, 10.0])
def test_half_the_jitter_and_no_lag(exact, pixels):
    points, scores, _ = detected(exact, pixels, jumps=0.0, gaps=0.0)
    clean, sure = joints(filter_clip(as_keypoints(points, scores), Settings()).keypoints)
    kept = (sure > 0) & (scores > 0.3)
    assert shake(clean, kept) < max(0.5 * shake(points, kept), 1.2 * shake(exact, kept))
    added = lambda part: shake(part - exact, kept)
    assert added(clean) < 0.45 * added(points), "the jitter that the detector added"
    assert abs(lag(clean, exact)) < 0.5
    error = lambda part: (part - exact).norm(dim=-1)[kept].mean()
    assert error(clean) < error(points)


def test_jumps_go_and_gaps_are_filled(exact):
    points, scores, jumped = detected(exact, 4.0, jumps=0.02, gaps=0.02)
    filtered = filter_clip(as_keypoints(points, scores), Settings())
    clean, sure = joints(filtered.keypoints)
    error = (clean - exact).norm(dim=-1)
    inside = torch.zeros_like(jumped)
    inside[8:-8] = True
    jumps = jumped & inside & (scores > 0.3)
    assert jumps.sum() > 15
    assert (error[jumps & (sure > 0)] > 40).float().mean() < 0.1, "of 60 to 170 pixels"
    assert error[inside & (sure > 0) & ~jumped].mean() < 4
    lost = (scores < 0.3) & inside
    assert (sure[lost] > 0).float().mean() > 0.9
    assert filtered.people[0].removed >= 0.7 * jumps.sum() and filtered.people[0].filled > 0


def test_fast_motion_is_no_outlier():
    for action in ("kick", "jump", "dance"):
        points = stage_poses(7, 60, action)
        found = np.ones(points.shape[:2], bool)
        assert outliers(points.numpy(), found, 300.0).mean() < 0.004


def test_without_smoothing_found_joints_stay_as_they_were(exact):
    keypoints = as_keypoints(exact, torch.full(exact.shape[:2], 0.8))
    same = filter_clip(keypoints, Settings(remove_outliers=False, fill_frames=0, strength=0.0)).keypoints
    assert torch.allclose(joints(same)[0], exact, atol=1e-4)


def test_slow_motion_keeps_its_size_and_a_long_gap_stays():
    t = torch.arange(90.0)
    points = torch.stack((200 + 80 * (2 * torch.pi * t / 30).sin(), 200 + 0 * t), -1)[:, None].numpy().astype(float)
    weights = np.ones((90, 1))
    assert abs(smooth(points, weights, 6.0) - points)[5:-5].max() < 0.5
    points = stage_poses(3, 60)
    scores = torch.ones(60, 18)
    scores[20:40, 4], scores[45:50, 4] = 0, 0
    sure = joints(filter_clip(as_keypoints(points, scores), Settings()).keypoints)[1]
    assert not sure[20:40, 4].any() and sure[45:50, 4].all()


def test_the_curve_is_the_one_of_the_equations():
    r = np.random.default_rng(0)
    for frames in (1, 2, 3, 4, 20):
        weights, right = r.uniform(0.1, 1, (frames, 2, 1)), r.normal(size=(frames, 2, 2))
        bends = np.zeros((max(frames - 2, 0), frames))
        for i in range(frames - 2):
            bends[i, i : i + 3] = (1, -2, 1)
        dense = np.diag(weights[:, 1, 0]) + 3.0 * bends.T @ bends
        assert np.allclose(solve(weights, right, 3.0)[:, 1, 0], np.linalg.solve(dense, right[:, 1, 0]))


def two_people(frames=60, near=1.0, noise=3.0, hidden=(), speed=4.0, seed=0):
    """Two people of the stage who walk past each other, given in an order that changes; the second is smaller by `near`."""
    one, other = stage_poses(3, frames, "walk"), stage_poses(9, frames, "walk")
    steps = torch.arange(frames)[:, None, None] * torch.tensor([speed, 0.0])
    one = one - one[:, [8, 11]].mean(1, keepdim=True) + torch.tensor([80.0, 200.0]) + steps
    other = near * (other - other[:, [8, 11]].mean(1, keepdim=True)) + torch.tensor([320.0, 205.0]) - steps
    people = [part + detector_noise(part.shape[:2], noise, seed + i) for i, part in enumerate((one, other))]
    clips = [from_joints(part, torch.full(part.shape[:2], 0.8), SIZE, SIZE) for part in people]
    keypoints = []
    for i in range(frames):
        both = [clips[0][i]["people"][0]] + ([] if i in hidden else [clips[1][i]["people"][0]])
        keypoints.append({**clips[0][i], "people": both[::-1] if i % 3 else both})
    return keypoints, (one, other)


def places(keypoints, number):
    """(N, 2) middle of the hips of a person in the list, NaN where the person has none."""
    bodies = [np.array(frame["people"][number][BODY]).reshape(18, 3) for frame in keypoints]
    hips = np.stack(bodies)[:, [8, 11]]
    return np.where((hips[..., 2:] > 0).all(1), hips[..., :2].mean(1), np.nan)


@pytest.mark.parametrize(
    ("near", "hidden"), [(0.8, ()), (0.8, range(24, 36)), (0.97, ()), (0.97, range(26, 34))]
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 5])
def test_people_who_cross_keep_their_numbers(near, hidden, seed):
    keypoints, exact = two_people(near=near, hidden=hidden, seed=seed)
    filtered = filter_clip(keypoints, Settings(fill_frames=20))
    assert len(filtered.people) == 2 and all(len(frame["people"]) == 2 for frame in filtered.keypoints)
    hips = [true[:, [8, 11]].mean(1).numpy() for true in exact]
    clear = np.r_[0:24, 36:60]
    found = [places(filtered.keypoints, number) for number in range(2)]
    if found[0][0, 0] > found[1][0, 0]:  # who is first in the list depends on the size
        found.reverse()
    for true, place in zip(hips, found, strict=True):
        assert np.nanmax(np.linalg.norm(place - true, axis=1)[clear]) < 25


def test_one_person_is_chosen_by_number():
    keypoints, exact = two_people(near=0.8)
    both = filter_clip(keypoints, Settings())
    for number in (1, 2):
        alone = filter_clip(keypoints, Settings(), number)
        assert all(len(frame["people"]) == 1 for frame in alone.keypoints)
        assert np.allclose(places(alone.keypoints, 0), places(both.keypoints, number - 1), equal_nan=True)
        assert f"Person {number}: frames 0 to 59" in alone.text and f"Person {3 - number}" not in alone.text
    with pytest.raises(ValueError, match="keep_person: expected 0 for all people or up to 2, .* got 3: choose"):
        filter_clip(keypoints, Settings(), 3)


def test_somebody_who_is_away_keeps_the_place_in_the_list():
    keypoints, _ = two_people(near=0.8, hidden=range(40, 60))
    filtered = filter_clip(keypoints, Settings())
    last = filtered.keypoints[59]["people"]
    assert len(last) == 2 and not any(last[1][BODY]) and any(last[0][BODY])


def test_a_frame_of_hardly_sure_joints_shows_no_person():
    body = np.zeros((18, 3))
    body[:] = (10, 10, 0.03)
    assert not shows_person(body, 0.3)
    body[[0, 14, 16], 2] = 0.5
    assert not shows_person(body, 0.3), "a face without a trunk, by chance"
    body[[1, 2, 3], 2] = 0.5
    assert shows_person(body, 0.3)


def test_hands_go_through_and_empty_clips_stay_empty():
    points = stage_poses(3, 12)
    keypoints = as_keypoints(points, torch.full(points.shape[:2], 0.9))
    for i, frame in enumerate(keypoints):
        frame["people"][0]["hand_left_keypoints_2d"] = [float(50 + i), 60.0, 0.9] * 21
    clean = filter_clip(keypoints, Settings()).keypoints
    assert {key: len(part) for key, part in clean[3]["people"][0].items()} == {k: 3 * n for k, n in PARTS.items()}
    assert abs(clean[3]["people"][0]["hand_left_keypoints_2d"][0] - 53) < 0.5
    empty = [{"canvas_width": 64, "canvas_height": 48, "people": []}] * 3
    filtered = filter_clip(empty, Settings(), 2)
    assert filtered.keypoints == empty and "No person was found" in filtered.advice
    assert filter_clip(keypoints[:1], Settings()).keypoints[0]["people"], "a single picture"


@pytest.mark.parametrize("pose_format", ["DWPose", "OpenPose"])
def test_every_format_is_cleaned_to_sdpose(pose_format):
    points = stage_poses(3, 20)
    keypoints = convert(as_keypoints(points, torch.ones(points.shape[:2])), pose_format)
    clean, sure = joints(filter_clip(keypoints, Settings()).keypoints)
    assert (clean - points).norm(dim=-1)[sure > 0].mean() < 2
