"""Keypoints in JSON: what is written is read again, files of other programs, and files that are damaged."""

import json
import os

import numpy as np
import pytest
from pack.models.choices import KEYPOINT_FILES, POSE_FORMATS
from pack.models.pose.files import read_keypoints, write_keypoints
from pack.models.pose.formats import BODY, FOOT, PARTS, convert, parse
from pack.models.pose.series import firsts
from tiny.full_disk import run_on_full_disk

WIDTH, HEIGHT, FRAMES = 640, 480, 3


def person(seed, parts=tuple(PARTS)):
    r = np.random.default_rng(seed)
    spread = lambda count: np.column_stack((r.uniform(5, 470, (count, 2)).round(2), np.full(count, 0.75)))
    return {
        key: (spread(count) if key in parts else np.zeros((count, 3))).ravel().tolist() for key, count in PARTS.items()
    }


def clip(people=2):
    return [
        {"canvas_width": WIDTH, "canvas_height": HEIGHT, "people": [person(10 * i + k) for k in range(people)]}
        for i in range(FRAMES)
    ]


def read(path, start=0, count=0, height=0, width=0):
    return read_keypoints(path, start, count, height, width)


def points(keypoints, key=BODY):
    return np.array([one[key] for frame in parse(keypoints) for one in frame.people])


@pytest.mark.parametrize("file_format", KEYPOINT_FILES)
def test_what_is_written_is_read_again(tmp_path, file_format):
    path = tmp_path / ("x.json" if file_format in POSE_FORMATS else "x")
    path.parent.mkdir(exist_ok=True)
    if file_format not in POSE_FORMATS:
        path.mkdir()
    first = write_keypoints(path, clip(), file_format, 0.3)
    back = read(first)
    assert len(back) == FRAMES and [len(frame["people"]) for frame in back] == [2] * FRAMES
    assert np.abs(points(back)[..., :2] - points(clip())[..., :2]).max() < 1e-3
    if file_format in ("SDPose", "OpenPose files"):
        assert np.allclose(points(back, FOOT), points(clip(), FOOT), atol=1e-3), "feet and confidence are kept"
    if file_format == "SDPose":
        assert back == clip(), "every number"
    assert not [one for one in tmp_path.rglob("*") if one.name.startswith(".")]


def test_files_of_openpose_hold_what_the_program_writes(tmp_path):
    (tmp_path / "run_00001_").mkdir()
    first = write_keypoints(tmp_path / "run_00001_", clip(1), "OpenPose files", 0.3)
    assert first.name == "run_00001_000000000000_keypoints.json"
    assert len(list(first.parent.iterdir())) == FRAMES
    value = json.loads(first.read_text())
    (one,) = value["people"]
    assert value["version"] == 1.3 and len(one["pose_keypoints_2d"]) == 75
    body = np.array(one["pose_keypoints_2d"]).reshape(25, 3)
    hips = body[[9, 12], :2].mean(0)
    assert np.allclose(body[8, :2], hips, atol=1e-3), "the middle of the hips"
    assert np.allclose(body[15], np.array(person(0)[BODY]).reshape(18, 3)[14], atol=1e-3), "the right eye"
    assert read(first, start=1, count=1) == read(first)[1:2]


def test_files_of_another_program_need_a_size(tmp_path):
    for i in range(4, 7):
        value = {"version": 1.3, "people": [{"pose_keypoints_2d": [100.0 + i, 50.0, 0.9] * 25}]}
        (tmp_path / f"theirs_{i:012}_keypoints.json").write_text(json.dumps(value))
    first = tmp_path / "theirs_000000000004_keypoints.json"
    with pytest.raises(ValueError, match="000004_keypoints.json does not hold the size .* set width and height"):
        read(first)
    back = read(first, height=240, width=320)
    assert [frame["people"][0][BODY][0] for frame in back] == [104.0, 105.0, 106.0]
    assert back[0]["canvas_width"] == 320 and back[0]["people"][0][FOOT][:3] == [104.0, 50.0, 0.9]
    (tmp_path / "theirs_000000000005_keypoints.json").unlink()
    with pytest.raises(ValueError, match="Frame 5 of theirs_000000000004_keypoints.json is missing.* frame_count to 1"):
        read(first, height=240, width=320)
    with pytest.raises(ValueError, match="start_frame: expected less than 2"):
        read(first, 9, 0, 240, 320)


def test_coco_annotations_become_eighteen_joints(tmp_path):
    coco = [[10 * k + 1, 5 * k + 2, 2] for k in range(17)]
    coco[9][2] = 0
    value = {
        "images": [{"id": 7, "width": 300, "height": 200}, {"id": 8, "width": 300, "height": 200}],
        "annotations": [{"image_id": 8, "keypoints": [n for point in coco for n in point]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(value))
    back = read(tmp_path / "coco.json")
    assert [len(frame["people"]) for frame in back] == [0, 1]
    body = points(back)[0]
    assert body[0].tolist() == [1, 2, 1] and body[2, 0] == 61 and body[5, 0] == 51, "nose, right and left shoulder"
    assert body[1].tolist() == [56, 29.5, 1] and not body[7].any(), (
        "the neck is between the shoulders, the wrist is missing"
    )


def test_a_picture_alone_and_no_person(tmp_path):
    path = tmp_path / "x.json"
    write_keypoints(path, clip()[:1], "DWPose", 0.3)
    assert len(read(path)) == 1
    path.write_text(json.dumps(clip()[0]))
    assert np.allclose(points(read(path)), points(clip()[:1])), "one frame without a list"
    path.write_text(json.dumps([{"canvas_width": 9, "canvas_height": 9, "people": []}] * 2))
    assert [frame["people"] for frame in read(path)] == [[], []]


@pytest.mark.parametrize(("content", "words"), [
    (b"", "cannot be read as JSON"),
    (b"{", "cannot be read as JSON"),
    (b"\xff\xfe\xff", "cannot be read as JSON"),
    (b"[" * 100000, "cannot be read as JSON"),
    (b"[1, 2]", "x.json: expected keypoints .* got a list: choose another"),
    (b"[]", "expected keypoints"),
    (b"3", "got a int"),
    (b'{"a": 1, "b": 2}', "got the keys a, b"),
    (b'[{"canvas_width": 9, "canvas_height": 9, "people": 3}]', "frame 0 of x.json: expected people as a list of dicts, got 3"),
    (b'[{"canvas_width": 9, "canvas_height": 9, "people": [5]}]', "expected people as a list of dicts"),
    (b'[{"canvas_width": 9, "canvas_height": 9, "people": [{"pose_keypoints_2d": "no"}]}]', "expected a list of numbers, got no"),
    (b'[{"canvas_width": 9, "canvas_height": 9, "people": [{"pose_keypoints_2d": ["a"]}]}]', "expected a list of numbers"),
    (b'[{"canvas_width": 9, "canvas_height": 9, "people": [{"pose_keypoints_2d": [1, 2]}]}]', "expected 54 numbers .* got 2"),
    (b'[{"canvas_width": -4, "canvas_height": 9, "people": []}]', "expected canvas_width in pixels, got -4"),
    (b'[{"canvas_width": "9", "canvas_height": 9, "people": []}]', "expected canvas_width in pixels, got '9'"),
    (b'[{"people": []}]', "frame 0 of x.json does not hold the size"),
    (b'{"annotations": [], "images": []}', "expected images beside the annotations"),
    (b'{"annotations": [{"image_id": 1, "keypoints": [1]}], "images": [{"id": 1, "width": 9, "height": 9}]}',
     "annotation 0 of x.json: expected 51 numbers .* got 1"),
])  # fmt: skip
def test_a_damaged_or_foreign_file_is_refused(tmp_path, content, words):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read(path)


def test_hostile_numbers_count_as_missing(tmp_path):
    path = tmp_path / "x.json"
    body = [1e300, "NaN", 1, "Infinity", 5, 1, "null", 4, 1, "9" * 400, 2, 1] + [20, 30, 1] * 14
    text = ", ".join(map(str, body))
    path.write_text(
        f'[{{"canvas_width": 99, "canvas_height": 99, "people": [{{"pose_keypoints_2d": [{text}]}}]}}]'
    )  # fmt: skip
    found = points(read(path))[0]
    assert np.isfinite(found).all() and (found[4:] == (20, 30, 1)).all()


def test_the_list_shows_the_first_of_a_series():
    names = [
        "a_000000000001_keypoints.json",
        "a_000000000002_keypoints.json",
        "b/c_000000_keypoints.json",
        "walk2.json",
    ]
    assert firsts([*names, "walk3.json"]) == [names[0], names[2], "walk2.json", "walk3.json"]
    assert firsts([f"{name} [output]" for name in names[:2]]) == [f"{names[0]} [output]"]


def test_an_unknown_format_is_refused_before_a_file_is_written(tmp_path):
    with pytest.raises(ValueError, match="one of SDPose"):
        write_keypoints(tmp_path / "x.json", clip(), "BVH", 0.3)
    assert not list(tmp_path.iterdir())
    assert convert(clip(), "SDPose") == clip()


LIMITED = """
from pack.models.pose.files import write_keypoints
body = [12.345678, 30.5, 0.9] * 18
frame = {"canvas_width": 64, "canvas_height": 48, "people": [{"pose_keypoints_2d": body}] * 9}
(folder / "x").mkdir()
for name, file_format in (("x.json", "SDPose"), ("x", "OpenPose files")):
    try:
        write_keypoints(folder / name, [frame] * 3, file_format, 0.3)
    except ValueError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit of a file's size is one of POSIX")
def test_a_disk_that_takes_no_more_is_named_and_nothing_is_left(tmp_path):
    printed = run_on_full_disk(LIMITED, tmp_path)
    assert printed.count("could not be written (File too large)") == 2, printed
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
