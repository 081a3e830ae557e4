"""A body from joints as a detector gives them, beside the outline of the person on the stage."""

import pytest
import torch
from pack.models.character.facing import left_side_nearer
from pack.models.character.from_detector import body_from_detector, whole_joints
from pack.models.character.from_keypoints import SPACE, body_from_keypoints
from pack.models.character.head import MODEL, fit_head, placed
from pack.models.character.posed_body import fit_body, render_body
from pack.models.character.skeleton import MIN_CONFIDENCE, standard_joints
from pack.models.pose.filter import Settings, filter_clip
from pack.models.pose.formats import from_joints, joints
from pack.models.stage import render, sample_scene
from tiny.detected import detected

SIZE, FRAMES = 200, 24


def stage(seed=3, action="walk", frames=FRAMES, **turned):
    size = {"frames": frames, "height": SIZE, "width": SIZE, "frame_rate": 24}
    return render(sample_scene(seed, action=action, objects=0, **size, **turned))


def as_detected(clip, pixels=2.0, seed=0):
    """The keypoints of a clip with a detector's errors, and cleaned as the node Filter Keypoints does it."""
    points, scores, _ = detected(clip.scene.view().project(clip.joints), pixels, seed=seed)
    return filter_clip(from_joints(points, scores, SIZE, SIZE), Settings()).keypoints


def overlap(posed, clip, frames=FRAMES):
    made = render_body(posed, slice(0, frames)).mask > 0
    person = clip.person_mask > 0.5
    return ((made & person).sum() / (made | person).sum()).item()


@pytest.mark.parametrize("action", ["walk", "turn", "dance", "squat"])
def test_the_body_covers_the_person(action):
    clip = stage(action=action)
    keypoints = as_detected(clip)
    new, old = (overlap(fit(keypoints, None, SIZE, SIZE), clip) for fit in (body_from_detector, body_from_keypoints))
    assert new > 0.65 and new > old - 0.12, f"{new} after {old}: people of the stage are thinner than most"


def test_a_wrist_that_is_far_away_does_not_stretch_the_arm():
    clip = stage()
    points, scores = clip.scene.view().project(clip.joints), torch.full((FRAMES, 18), 0.9)
    points[-4:, 4] += torch.tensor([90.0, -80.0])
    keypoints = from_joints(points, scores, SIZE, SIZE)
    new, old = (overlap(fit(keypoints, None, SIZE, SIZE), clip) for fit in (body_from_detector, body_from_keypoints))
    assert new > 0.65 and new > old + 0.05, (new, old)


def test_from_the_side_the_body_is_as_thick_as_from_the_front():
    """The same walk seen from the side all the time: the shoulders lie on each other in the picture."""
    clip = stage(seed=5)
    ahead = torch.linalg.cross(clip.joints[:, 5] - clip.joints[:, 2], clip.joints[:, 1] - clip.joints[:, 8])
    beside = ahead[:, 0].abs() > 2.5 * ahead[:, 2].abs()
    if beside.sum() < 4:
        pytest.skip("this walk has no side view")
    keypoints = [frame for frame, kept in zip(as_detected(clip), beside, strict=True) if kept]
    body = body_from_detector(keypoints, None, SIZE, SIZE).actors.body
    standard = fit_body(standard_joints()[0][None])
    height = lambda one: one.end[:, 1].abs().max()
    thick = lambda one: one.start_radius[one.bone == 0].max() / height(one)
    assert 1.2 < thick(body) / thick(standard) < 1.9


def test_the_head_is_at_the_ears():
    """A head bent forward, far from the axis of the trunk."""
    clip = stage(action="bow", frames=12)
    points, scores = joints(clip.keypoints)
    made = render_body(body_from_detector(clip.keypoints, None, SIZE, SIZE), slice(0, 12))
    ears = points[:, 16:18].mean(1)
    seen = (scores[:, 16:18] > 0).any(1)
    head = made.part == 3
    grid = torch.stack(torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="xy"), -1).float()
    for frame in range(12):
        if seen[frame] and head[frame].any():
            middle = grid[head[frame]].mean(0)
            assert (middle - ears[frame]).norm() < 0.08 * SIZE


@pytest.mark.parametrize("yaw", [0.0, 0.6, 1.4, -1.4, 3.0])
def test_a_head_is_found_again_from_its_points(yaw):
    values = torch.tensor([[3.0, -2.0, yaw, 0.1, -0.1]], dtype=torch.float64)
    points, usual = placed(values), values.clone()
    usual[0, 2] += 0.5
    usual[0, :2] += 0.8
    usual[0, 3:] = 0
    found = fit_head(points[..., :2], torch.ones(1, 5), usual)
    assert (found - points).norm(dim=-1).max() < 0.35
    alone = torch.zeros(1, 5)
    alone[0, 4] = 1.0
    found = fit_head(points[..., :2], alone, usual)
    assert (found[0, 4, :2] - points[0, 4, :2]).norm() < 0.5, "one ear gives the place"
    none = fit_head(points[..., :2], torch.zeros(1, 5), usual)
    assert (none.mean(1)[:, :2] - usual[:, :2]).norm() < 1.5 and len(MODEL) == 5


def test_the_side_that_is_nearer_follows_from_the_face():
    flat = torch.zeros(9, 18, 2)
    flat[:, 1] = torch.tensor([100.0, 50.0])
    scores = torch.ones(9, 18)
    scale = torch.full((9,), 100.0)
    flat[:, 16:18] = torch.tensor([100.0, 30.0])
    for shift, sign in ((-13.0, 1), (13.0, -1)):
        flat[:, 0] = torch.tensor([100.0 + shift, 32.0])
        assert (sign * left_side_nearer(flat, scores, scale) > 0.8).all()
    flat[:, 0] = torch.tensor([100.0, 32.0])
    assert left_side_nearer(flat, scores, scale).abs().max() < 0.05, "from the front none is"


def test_frames_of_hardly_sure_joints_are_empty():
    clip = stage(frames=8)
    points, scores = joints(clip.keypoints)
    scores[3] = 0.03
    scores[4] = 0.03
    scores[3, [0, 4, 14]] = 0.5  # by chance
    made = render_body(body_from_detector(from_joints(points, scores, SIZE, SIZE), None, SIZE, SIZE), slice(0, 8))
    there = made.mask.flatten(1).sum(1) > 0
    assert there.tolist() == [True] * 3 + [False] * 2 + [True] * 3


def test_a_hidden_limb_goes_with_the_body():
    """An arm is hidden while the person walks on: it stays at the shoulder, as long as it was."""
    points, scores = joints(stage(frames=20).keypoints)
    points = points + torch.arange(20.0)[:, None, None] * torch.tensor([5.0, 0.0])
    scores[:] = 1
    scores[6:14, [3, 4]] = 0.0
    whole, scale = whole_joints(points, scores)
    length = lambda part, a, b: (part[:, a] - part[:, b]).norm(dim=-1)
    assert torch.isfinite(whole).all() and (scale > 0).all()
    assert length(whole, 2, 3)[6:14].max() < 1.3 * length(points, 2, 3).max()
    assert (whole - points).norm(dim=-1)[6:14, 3].max() < 0.25 * scale.mean()
    scores[:, [10, 13]] = 0
    whole, _ = whole_joints(points, scores)
    assert (whole[:, 10, 1] > whole[:, 9, 1]).all(), "shins that are never seen hang"
    with pytest.raises(ValueError, match="neck or shoulders"):
        whole_joints(points, torch.full_like(scores, MIN_CONFIDENCE / 10))


def test_joints_in_space_are_taken_as_they_are():
    clip = stage(frames=4)
    flat = torch.cat((clip.joints, torch.ones(4, 18, 1)), -1)
    keypoints = [
        {**frame, "people": [{**frame["people"][0], SPACE: one.flatten().tolist()}]}
        for frame, one in zip(clip.keypoints, flat, strict=True)
    ]
    given = [
        render_body(fit(keypoints, None, SIZE, SIZE), slice(0, 4)).body
        for fit in (body_from_detector, body_from_keypoints)
    ]
    assert torch.equal(*given)
