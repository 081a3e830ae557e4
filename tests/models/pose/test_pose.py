"""Pose keypoints: the three formats written out by hand, and the picture against geometry."""

import math

import pytest
import torch
from pack.models.pose import formats as pose
from pack.models.pose.drawing import COLOURS, LIMBS, draw
from pack.models.pose.formats import JOINTS, convert, detect_format, from_joints, joints

WIDTH, HEIGHT = 640, 480


def flat(points, score=1.0, width=1, height=1):
    return [number for x, y in points for number in (x / width, y / height, score)]


def body(seed=0, count=18):
    g = torch.Generator().manual_seed(seed)
    spread = torch.tensor([WIDTH - 100, HEIGHT - 100])
    return (torch.rand(count, 2, generator=g) * spread + 50).round(decimals=2).double().tolist()


def sdpose(points, score=0.93):
    rest = {key: flat([(0, 0)] * count, 0.0) for key, count in pose.PARTS.items()}
    return frame({**rest, "pose_keypoints_2d": flat(points, score)})


def dwpose(points):
    absent = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None, "hand_right_keypoints_2d": None}
    return frame({"pose_keypoints_2d": flat(points), **absent})


def openpose(points):
    absent = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None, "hand_right_keypoints_2d": None}
    return frame({"pose_keypoints_2d": flat(points, 1.0, WIDTH, HEIGHT), **absent})


def frame(*people):
    return {"canvas_width": WIDTH, "canvas_height": HEIGHT, "people": list(people)}


WRITERS = {"SDPose": sdpose, "DWPose": dwpose, "OpenPose": openpose}


@pytest.mark.parametrize("pose_format", WRITERS)
def test_format_is_detected(pose_format):
    assert detect_format([WRITERS[pose_format](body(seed)) for seed in range(3)]) == pose_format


@pytest.mark.parametrize("pose_format", WRITERS)
def test_every_format_becomes_complete_sdpose(pose_format):
    points = body()
    (found,) = convert([WRITERS[pose_format](points)], "SDPose")
    (person,) = found["people"]
    assert {key: len(part) for key, part in person.items()} == {key: 3 * n for key, n in pose.PARTS.items()}
    places = torch.tensor(person["pose_keypoints_2d"], dtype=torch.float64).view(18, 3)
    assert (places[:, :2] - torch.tensor(points)).abs().max() < 1e-5
    assert (places[:, 2] == (0.93 if pose_format == "SDPose" else 1)).all()


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_there_and_back(first, second):
    clip = [WRITERS[first](body(seed)) for seed in range(2)]
    there = convert(clip, second)
    back = joints(convert(there, first))[0]
    assert (back - joints(clip)[0]).abs().max() < 1e-3
    if first != second and second != "SDPose":
        assert detect_format(there) == second


def test_whole_pixels_survive_shares_of_the_canvas():
    points = [(7 * i + 29, 11 * i + 3) for i in range(18)]
    (found,) = convert([openpose(points)], "SDPose")
    assert found["people"][0]["pose_keypoints_2d"] == flat(points)


def test_joints_beside_the_picture_are_still_shares_of_it():
    points = [(x * 1.8, y * 1.8) for x, y in body()]
    assert max(x for x, _ in points) > 1.3 * WIDTH and detect_format([openpose(points)]) == "OpenPose"


def test_scores_below_the_threshold_are_absent_in_dwpose():
    clip = [sdpose(body(), score=0.25)]
    assert convert(clip, "DWPose", 0.3)[0]["people"][0]["pose_keypoints_2d"] == [0.0] * 54
    (person,) = convert(clip, "DWPose", 0.2)[0]["people"]
    assert person["pose_keypoints_2d"][2::3] == [1.0] * 18 and person["face_keypoints_2d"] is None


def test_face_of_68_points_gains_the_eyes_of_the_body():
    one = dwpose(body())
    one["people"][0]["face_keypoints_2d"] = flat(body(4, 68))
    face = convert([one], "SDPose")[0]["people"][0]["face_keypoints_2d"]
    assert len(face) == 210 and face[204:] == flat([body()[14], body()[15]])


def test_no_person_several_people_and_a_single_frame():
    assert (
        convert([frame()], "SDPose")[0]["people"] == [] == convert([{**frame(), "people": None}], "SDPose")[0]["people"]
    )
    two = frame(dwpose(body(1))["people"][0], dwpose(body(2))["people"][0])
    assert len(convert(two, "SDPose")[0]["people"]) == 2
    points, scores = joints([frame(), two])
    assert points.shape == (2, 18, 2) and not scores[0].any() and scores[1].all()
    assert torch.allclose(points[1], torch.tensor(body(1)).float())
    assert not draw([frame()]).any()


def test_hostile_numbers_count_as_missing():
    points = body()
    points[3], points[4] = (math.nan, 5.0), (5.0, math.inf)
    one = dwpose(points)
    one["people"][0]["pose_keypoints_2d"][16] = None
    scores = joints([one])[1][0]
    assert scores[3] == scores[4] == 0 and scores.sum() == 16
    far = dwpose([(1e30, -1e30)] * 9 + body(3)[:9])
    assert torch.isfinite(draw([far])).all() and draw([far]).any()


def test_refusals():
    for frames, phrase in (
        ([], "a dict for every frame, got 0 entries"),
        ("pose", "got str"),
        ([{"people": []}], "frame 0: expected canvas_width in pixels, got None"),
        ([frame(), {**frame(), "canvas_height": 0}], "frame 1: expected canvas_height in pixels, got 0"),
        ([dwpose(body(0, 25))], "expected 54 numbers in pose_keypoints_2d .* of 18 points.*got 75"),
        ([frame({"pose_keypoints_2d": [1.0] * 53})], "got 53"),
    ):
        with pytest.raises(ValueError, match=phrase):
            convert(frames, "SDPose")
    with pytest.raises(ValueError, match="one of SDPose, DWPose, OpenPose, got 'coco'"):
        convert([frame()], "coco")


def test_from_joints_and_joints_are_inverse():
    points, scores = torch.rand(4, 18, 2) * 300 + 10, torch.rand(4, 18) * 0.9 + 0.1
    clip = from_joints(points, scores, HEIGHT, WIDTH)
    assert clip[0]["canvas_width"] == WIDTH and detect_format(clip) == "SDPose"
    again = joints(clip)
    assert torch.allclose(again[0], points) and torch.allclose(again[1], scores)


def test_tables_are_whole():
    assert len(JOINTS) == len(COLOURS) == len(set(COLOURS)) == 18 and len(LIMBS) == len(set(LIMBS)) == 17
    assert sorted({joint for limb in LIMBS for joint in limb}) == list(range(18)), "the limbs connect all joints"


def single(joint, x, y, size=128):
    points, scores = torch.zeros(1, 18, 2), torch.zeros(1, 18)
    points[0, joint], scores[0, joint] = torch.tensor([x, y]), 1
    return from_joints(points, scores, size, size)


@pytest.mark.parametrize("joint", range(18))
def test_each_disc_has_its_colour_and_its_place_below_a_pixel(joint):
    x, y = 40.0 + joint * 1.37, 61.0 - joint * 0.73
    picture = draw(single(joint, x, y), stick_width=3)[0]
    colour = torch.tensor(COLOURS[joint]) / 255
    assert torch.allclose(picture[round(y), round(x)], colour, atol=0.01)
    weight = picture.sum(-1)
    grid = torch.arange(128.0)
    assert abs((weight.sum(0) * grid).sum() / weight.sum() - x) < 0.1
    assert abs((weight.sum(1) * grid).sum() / weight.sum() - y) < 0.1
    assert 0.9 < weight.sum() / colour.sum() / (math.pi * 9) < 1.15, "the area of a disc of radius 3"


def test_slow_motion_moves_by_fractions_of_a_pixel():
    grid, places = torch.arange(128.0), []
    for x in torch.linspace(50, 52, 21):
        weight = draw(single(0, float(x), 60.0))[0].sum((0, 2))
        places.append(float((weight * grid).sum() / weight.sum()))
    assert max(abs(b - a - 0.1) for a, b in zip(places, places[1:], strict=False)) < 0.08


@pytest.mark.parametrize("limb", range(17))
def test_each_limb_has_its_colour_in_its_middle(limb):
    points, scores = torch.zeros(1, 18, 2), torch.zeros(1, 18)
    for joint, place in zip(LIMBS[limb], ((20.0, 30.0), (90.0, 70.0)), strict=True):
        points[0, joint], scores[0, joint] = torch.tensor(place), 1
    picture = draw(from_joints(points, scores, 128, 128))[0]
    assert torch.allclose(picture[50, 55], torch.tensor(COLOURS[limb]) / 255, atol=0.01)
    assert not picture[:20].any() and not picture[80:].any()


def test_another_size_scales_the_pose():
    clip = single(0, 31.5, 63.5)
    small, large = draw(clip)[0], draw(clip, 256, 512)[0]
    assert small.shape == (128, 128, 3) and large.shape == (256, 512, 3)
    where = large.sum(-1).nonzero().float().mean(0)
    assert torch.allclose(where, torch.tensor([127.5, 127.5]), atol=0.3)


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (63, 65), (8, 1024)])
def test_odd_and_tiny_sizes(size):
    picture = draw([sdpose(body())], *size)
    assert picture.shape == (1, *size, 3) and picture.max() <= 1


def test_switches_and_threshold():
    one = sdpose(body(), score=0.4)
    for key, seed in (("foot_keypoints_2d", 1), ("face_keypoints_2d", 2), ("hand_left_keypoints_2d", 3)):
        one["people"][0][key] = flat(body(seed, pose.PARTS[key]), 0.9)
    none = {"body": False, "hands": False, "face": False, "feet": False}
    assert not draw([one], **none).any()
    alone = [draw([one], **{**none, part: True}) for part in none]
    assert all(picture.any() for picture in alone)
    assert not draw([one], **{**none, "body": True}, threshold=0.5).any()
    white = (alone[2] == 1).all(-1)
    assert white.any() and torch.equal(alone[2][..., 0], alone[2][..., 2]), "the face is white dots"
