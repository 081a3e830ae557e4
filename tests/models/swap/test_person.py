"""The height and the feet of a person in a clip."""

import pytest
import torch
from pack.models.pose.formats import from_joints
from pack.models.stage import render, sample_scene
from pack.models.swap.person import half_column, place_person, standard_heights

FRAMES, HIGH, WIDE = 8, 120, 160


def masks(tall=lambda index: 80):
    out = torch.zeros(FRAMES, HIGH, WIDE)
    for index in range(FRAMES):
        out[index, 100 - tall(index) : 100, 30 + 8 * index : 54 + 8 * index] = 1
    return out


def place(mask, hidden=None, **more):
    of = lambda planes: None if planes is None else lambda index: planes[index]
    return place_person(of(mask), of(hidden), len(mask), tuple(mask.shape[1:]), **more)


def test_the_frame_that_shows_the_person_upright_is_taken():
    found = place(masks(lambda index: 80 if index == 5 else 60))
    assert found.height == 60, "a single frame that differs does not count"
    found = place(masks(lambda index: 50 + 4 * index))
    assert found.frame in (6, 7) and found.height == 50 + 4 * found.frame and found.source == "wholly visible"
    assert found.bounds[3] == 100 and found.middle == pytest.approx(42 + 8 * found.frame, abs=0.6)


def test_a_chosen_frame():
    found = place(masks(lambda index: 50 + 4 * index), frame=2)
    assert (found.frame, found.height) == (2, 58)


def test_hidden_legs_count_where_another_frame_shows_them():
    whole, wall = masks(), torch.zeros(1, HIGH, WIDE).expand(FRAMES, HIGH, WIDE).clone()
    wall[:, 70:, 60:] = 1
    visible = whole * (1 - wall)
    found = place(visible, wall, frame=6)
    assert found.height == pytest.approx(80, abs=1) and found.source == "height of other frames"
    assert place(visible, wall).source == "wholly visible"
    assert place(visible, None, frame=6).height == 50, "without the mask of the wall the legs are missing"


def test_a_person_cut_off_in_every_frame_needs_keypoints():
    low = masks()
    low[:, 100:] = low[:, 99:100]
    assert place(low).source == "visible part only"


def stage_clip():
    return render(sample_scene(3, frames=6, height=192, width=192, action="walk", objects=0), samples=1)


def test_keypoints_give_the_height_of_a_person_whose_legs_are_never_visible():
    clip = stage_clip()
    whole = clip.whole_person_mask
    true = place(whole)
    row = int(true.bounds[1] + 0.55 * true.height)
    wall = torch.zeros_like(whole)
    wall[:, row:] = 1
    visible = whole * (1 - wall)
    assert place(visible, wall).height < 0.6 * true.height
    found = place(visible, wall, keypoints=clip.keypoints)
    true = place(whole, frame=found.frame)
    assert found.source == "height by keypoints"
    assert found.height == pytest.approx(true.height, rel=0.05)
    assert found.bounds[3] == pytest.approx(true.bounds[3], abs=0.05 * true.height)


def test_the_pose_is_that_of_the_person_at_the_mask():
    clip = stage_clip()
    wall = torch.zeros_like(clip.whole_person_mask)
    wall[:, 110:] = 1
    visible = clip.whole_person_mask * (1 - wall)
    far = [{**frame, "people": [shifted(frame["people"][0], 1000), frame["people"][0]]} for frame in clip.keypoints]
    alone = place(visible, wall, keypoints=clip.keypoints)
    assert place(visible, wall, keypoints=far) == alone
    wrong = [{**frame, "people": frame["people"][:1]} for frame in far]
    with pytest.raises(ValueError, match="joints lie at the mask"):
        place(visible, wall, keypoints=wrong)
    with pytest.raises(ValueError, match="expected the pose of 6 frames like images, got 5"):
        place(visible, wall, keypoints=clip.keypoints[:5])


def shifted(person, pixels):
    flat = list(person["pose_keypoints_2d"])
    flat[0::3] = [x + pixels for x in flat[0::3]]
    return {**person, "pose_keypoints_2d": flat}


def test_frames_without_a_pose_are_no_obstacle():
    empty = from_joints(torch.zeros(FRAMES, 18, 2), torch.zeros(FRAMES, 18), HIGH, WIDE)
    with pytest.raises(ValueError, match="joints lie at the mask"):
        place(masks(), keypoints=empty)


def test_the_standard_body_is_as_tall_as_a_person():
    head, whole = standard_heights()
    assert 0.2 < head < 0.45 and 1.5 < whole < 2.0


def test_the_middle_column_has_half_on_either_side():
    mask = torch.zeros(10, 40)
    mask[:, 10:20] = 1
    mask[2:4, 20:40] = 1  # an arm stretched out
    assert 14 < half_column(mask) < 18
