"""Capsule body, its pictures and alignment, against the stage's own body."""

import numpy as np
import pytest
import torch
from pack.models.character.align import align_pose, body_joints, limb_lengths
from pack.models.character.from_keypoints import SPACE, body_from_keypoints
from pack.models.character.posed_body import bone_poses, fit_body, render_body
from pack.models.character.skeleton import complete_joints
from pack.models.layers.layers import nearness
from pack.models.pose import formats as pose
from pack.models.stage import character_keypoints, render, sample_scene

FRAMES, SIZE = 6, 96


@pytest.fixture(scope="module", params=["dance", "squat"])
def clip(request):
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 6}
    return render(sample_scene(3, action=request.param, objects=0, **size))


def in_space(clip):
    flat = torch.cat((clip.joints, torch.ones(FRAMES, 18, 1)), -1)
    people = [
        {**frame["people"][0], SPACE: joints.flatten().tolist()}
        for frame, joints in zip(clip.keypoints, flat, strict=True)
    ]
    return [{**frame, "people": [person]} for frame, person in zip(clip.keypoints, people, strict=True)]


def compared(clip, posed):
    """Overlap with the true body, share of right parts, and mean error of the body where both are."""
    made = render_body(posed, slice(0, FRAMES))
    own, true = made.mask > 0, clip.part > 0
    both = own & true
    overlap = (both.sum() / (own | true).sum()).item()
    return (
        overlap,
        (made.part == clip.part)[both].float().mean().item(),
        (made.body - clip.body)[both].abs().mean().item(),
    )


def test_joints_in_space_give_the_stage_s_own_body(clip):
    overlap, parts, code = compared(clip, body_from_keypoints(in_space(clip), None, SIZE, SIZE))
    assert overlap > 0.9 and parts > 0.97 and code < 0.01


def test_flat_joints_lifted_by_depth(clip):
    near = lambda index: nearness(clip.depth[index], "distance")
    lifted, flat = (compared(clip, body_from_keypoints(clip.keypoints, by, SIZE, SIZE)) for by in (near, None))
    assert lifted[0] > 0.8 and lifted[1] > 0.9 and lifted[2] < 0.03
    assert lifted[2] < flat[2], "depth tells which way a limb leans"


def test_the_arm_before_the_chest_is_seen_and_the_one_behind_is_not():
    """Both wrists on the middle of the trunk, the right one 30 cm before it and the left one 30 cm behind."""
    clip = render(sample_scene(3, frames=1, height=SIZE, width=SIZE, action="wave", objects=0))
    joints = clip.joints[0].clone()
    middle = (joints[1] + joints[[8, 11]].mean(0)) / 2
    for elbow, wrist, away in ((3, 4, -0.3), (6, 7, 0.3)):
        joints[wrist] = middle + torch.tensor([0.0, 0.0, away])
        joints[elbow] = (joints[elbow - 1] + joints[wrist]) / 2 + torch.tensor([0.0, 0.1, away / 2])
    flat = torch.cat((joints, torch.ones(18, 1)), -1).flatten().tolist()
    keypoints = [{**clip.keypoints[0], "people": [{**clip.keypoints[0]["people"][0], SPACE: flat}]}]
    part = render_body(body_from_keypoints(keypoints, None, SIZE, SIZE), slice(0, 1)).part[0]
    names = lambda bone: (part == 1 + bone).sum()
    right_hand, left_hand = names(5), names(8)
    assert right_hand > 3 and left_hand == 0


def test_bones_are_rotations_and_sit_on_the_joints(clip):
    turns, origins = bone_poses(clip.joints, fit_body(clip.joints))
    eye = torch.eye(3).expand_as(turns)
    assert torch.allclose(turns @ turns.transpose(-1, -2), eye, atol=1e-4) and torch.allclose(
        torch.linalg.det(turns), torch.ones(turns.shape[:2]), atol=1e-4
    )
    assert torch.equal(origins[:, 3], clip.joints[:, 2]) and torch.equal(origins[:, 13], clip.joints[:, 12])


def test_frames_without_a_person_are_empty_and_others_go_on(clip):
    keypoints = [dict(frame) for frame in clip.keypoints]
    keypoints[2] = {**keypoints[2], "people": []}
    made = render_body(body_from_keypoints(keypoints, None, SIZE, SIZE), slice(0, FRAMES))
    assert made.mask[2].sum() == 0 and (made.mask.flatten(1).sum(1) > 0).sum() == FRAMES - 1


def test_unseen_joints_hang_and_lost_ones_lie_between(clip):
    points, scores = pose.joints(clip.keypoints)
    scores[:, [10, 13]] = 0
    scores[3, 4] = 0
    whole = complete_joints(points, scores)
    assert torch.isfinite(whole).all() and torch.allclose(whole[3, 4], (points[2, 4] + points[4, 4]) / 2)
    assert (whole[:, 10, 1] > whole[:, 9, 1]).all()
    with pytest.raises(ValueError, match="neck or shoulders"):
        complete_joints(points, torch.zeros_like(scores))


def test_another_size_shows_the_same_body(clip):
    motion = body_from_keypoints(clip.keypoints, None, SIZE, SIZE)
    small = render_body(motion, slice(0, 2)).mask > 0
    large = render_body(motion, slice(0, 2), (2 * SIZE, 2 * SIZE)).mask
    large = torch.nn.functional.avg_pool2d(large[:, None], 2)[:, 0] >= 0.5
    assert (small & large).sum() > 0.9 * (small | large).sum()


def changed(keypoints, scale, shift):
    points, scores = pose.joints(keypoints)
    return pose.from_joints(points * scale + torch.tensor(shift), scores, 2 * SIZE, 3 * SIZE)


@pytest.mark.parametrize("anchor", ["feet", "hips", "neck"])
def test_alignment_undoes_a_known_scale_and_shift(clip, anchor):
    target = changed(clip.keypoints, 1.7, [31.0, 12.0])
    aligned = align_pose(clip.keypoints, target, anchor)
    points, wanted = pose.joints(aligned)[0], pose.joints(target)[0]
    seen = pose.joints(aligned)[1] > 0
    assert torch.allclose(points[seen], wanted[seen], atol=0.01)
    assert (aligned[0]["canvas_width"], aligned[0]["canvas_height"]) == (3 * SIZE, 2 * SIZE)


def test_a_pose_keeps_its_place_and_takes_the_size(clip):
    """On a canvas of twice the size the same body is as tall in shares of the height, so that nothing moves."""
    target = changed(clip.keypoints, 2.0, [31.0, -12.0])
    aligned = align_pose(clip.keypoints, target, "feet", canvas="clip")
    points, wanted = pose.joints(aligned)[0], pose.joints(clip.keypoints)[0]
    seen = pose.joints(aligned)[1] > 0
    assert torch.allclose(points[seen], wanted[seen], atol=0.01)
    assert (aligned[0]["canvas_width"], aligned[0]["canvas_height"]) == (SIZE, SIZE)
    small = changed(clip.keypoints, 1.0, [40.0, 3.0])  # half as tall on that canvas
    aligned = align_pose(clip.keypoints, small, "feet", canvas="clip")
    own, new = (limb_lengths(body_joints(pose.parse(who), "who")) for who in (clip.keypoints, aligned))
    assert all(abs(new[bone] / own[bone] - 0.5) < 0.01 for bone in new)
    feet = lambda keypoints: pose.joints(keypoints)[0][:, [10, 13], 1].amax(1).median()
    assert abs(feet(aligned) - feet(clip.keypoints)) < 2


def test_in_another_s_place_the_pose_is_the_new_body_s_own():
    """A wave of somebody else, aligned to the picture of a new character, beside the wave that this character makes."""
    old = sample_scene(9, frames=4, height=128, width=128, frame_rate=8.0, objects=0, action="wave")
    new = old.with_character(509)
    source, truth = render(old).keypoints, pose.joints(render(new).keypoints)
    away = lambda keypoints: (pose.joints(keypoints)[0] - truth[0]).norm(dim=-1)[truth[1] > 0].mean()
    aligned = align_pose(source, character_keypoints(new), "feet", True, "clip")
    assert away(aligned) < 2 < 0.2 * away(source)


def test_limbs_take_the_lengths_of_the_reference(clip):
    points, scores = pose.joints(clip.keypoints[:1])
    points[:, [10, 13], 1] += 20  # longer shins
    reference = pose.from_joints(points, scores, SIZE, SIZE)
    aligned = align_pose(clip.keypoints, reference, "hips", match_limbs=True)
    own = limb_lengths(body_joints(pose.parse(aligned), "keypoints"))
    new = limb_lengths(body_joints(pose.parse(reference), "reference"))
    for bone in ((9, 10), (2, 5), (8, 9)):
        assert abs(own[bone] / new[bone] - 1) < 0.02, bone


def test_hands_and_face_go_with_the_body(clip):
    keypoints = [dict(frame) for frame in clip.keypoints]
    hand = np.zeros((21, 3))
    hand[:] = (*np.array(keypoints[0]["people"][0]["pose_keypoints_2d"]).reshape(18, 3)[4, :2], 1.0)
    keypoints[0] = {
        **keypoints[0],
        "people": [{**keypoints[0]["people"][0], "hand_right_keypoints_2d": hand.ravel().tolist()}],
    }
    for limbs in (False, True):
        made = pose.parse(align_pose(keypoints, changed(clip.keypoints, 1.5, [9.0, 4.0]), "feet", limbs))[0].people[0]
        assert np.allclose(made["hand_right_keypoints_2d"][:, :2], made["pose_keypoints_2d"][4, :2], atol=0.01)


def test_alignment_needs_somebody_and_a_common_limb(clip):
    empty = [{"canvas_width": 64, "canvas_height": 64, "people": []}]
    with pytest.raises(ValueError, match="character_keypoints: expected a person"):
        align_pose(clip.keypoints, empty)
    face = pose.from_joints(torch.full((1, 18, 2), 9.0), (torch.arange(18) == 0).float()[None], 64, 64)
    with pytest.raises(ValueError, match="a limb that both poses show"):
        align_pose(clip.keypoints, face)
