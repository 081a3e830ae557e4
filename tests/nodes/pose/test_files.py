"""Keypoints saved and loaded through the nodes: names, lists, series, and what is refused."""

import json
import os

import pytest
from pack.models.choices import KEYPOINT_FILES, POSE_FORMATS
from pack.models.pose.formats import PARTS, convert
from pack.nodes.host.files.folders import claimed_folder
from pack.nodes.pose.files import LoadKeypoints, SaveKeypoints, listed
from pack.nodes.pose.filter import FilterKeypoints

FRAMES = 3


def clip(frames=FRAMES):
    person = lambda i: {key: [20.0 + i, 30.0, 0.9] * count for key, count in PARTS.items()}
    return [{"canvas_width": 64, "canvas_height": 48, "people": [person(i)]} for i in range(frames)]


def standing(frames):
    body = [number for joint in range(18) for number in (30.0 + 3 * (joint % 2), 4.0 + 2 * joint, 0.9)]
    return [{"canvas_width": 64, "canvas_height": 48, "people": [{"pose_keypoints_2d": body}]}] * frames


def save(keypoints, keypoint_format=KEYPOINT_FILES[0], prefix="duet/keypoints"):
    return SaveKeypoints.execute(keypoints, prefix, keypoint_format, 0.3)


def load(name, width=0, height=0, start=0, count=0):
    return LoadKeypoints.execute(name, width, height, start, count).result


@pytest.mark.parametrize("keypoint_format", KEYPOINT_FILES)
def test_what_was_saved_is_loaded_and_nothing_is_overwritten(folders, keypoint_format):
    answers = [save(clip(), keypoint_format) for _ in range(2)]
    names = [answer[0] for answer in answers]
    assert len(set(names)) == 2 and all(name.startswith("duet/keypoints_0000") for name in names)
    assert answers[0].ui["text"][0].startswith("Saved keypoints_00001_")
    for name in names:
        keypoints, report = load(name)
        assert [frame["people"][0]["pose_keypoints_2d"][0] for frame in keypoints] == pytest.approx([20, 21, 22])
        assert "3 frames of 64 x 48 with 1 people in each" in report
        assert LoadKeypoints.validate_inputs(name) is True and name in listed()
    files = [path for path in (folders / "out").rglob("*") if path.is_file()]
    assert len(files) == 2 * (1 if keypoint_format in POSE_FORMATS else FRAMES)


def test_the_list_has_the_first_of_a_series_in_both_folders(folders):
    save(clip(), KEYPOINT_FILES[-1])
    (folders / "in" / "mine.json").write_text(json.dumps(clip()))
    first = "duet/keypoints_00001_/keypoints_00001_000000000000_keypoints.json [output]"
    assert listed() == ["mine.json", first]
    assert load("mine.json")[0] == clip()


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "../out/x.json", "a/../../secret.json", "none.json", "x.txt",
                                  "../secret.json [output]", "", "folder"])  # fmt: skip
def test_a_name_never_leads_out_of_its_folder(folders, name):
    (folders / "secret.json").write_text(json.dumps(clip()))
    (folders / "out" / "x.json").write_text(json.dumps(clip()))
    (folders / "in" / "x.txt").write_text(json.dumps(clip()))
    (folders / "in" / "folder").mkdir()
    with pytest.raises(ValueError, match="Found no file|ends in .json"):
        load(name)
    assert isinstance(LoadKeypoints.validate_inputs(name), str)


def test_a_prefix_never_leads_out_of_the_output(folders):
    for keypoint_format in KEYPOINT_FILES:
        with pytest.raises(Exception, match="outside the output folder"):
            save(clip(), keypoint_format, "../../secret")
        with pytest.raises(ValueError, match="without control characters"):
            save(clip(), keypoint_format, "a\nb")


def test_what_is_no_pose_is_refused_before_anything_is_written(folders):
    for keypoints, words in (([], "a dict for every frame"), ([{"people": []}], "canvas_width")):
        for keypoint_format in KEYPOINT_FILES:
            with pytest.raises(ValueError, match=words):
                save(keypoints, keypoint_format)
    assert not list((folders / "out").rglob("*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(folders):
    (folders / "out").chmod(0o500)
    for keypoint_format in KEYPOINT_FILES:
        with pytest.raises(ValueError, match="filename_prefix"):
            save(clip(), keypoint_format)
    (folders / "out").chmod(0o700)


def test_a_folder_in_which_nothing_was_written_is_gone(folders):
    with pytest.raises(ZeroDivisionError), claimed_folder("duet/x") as path:
        assert path.is_dir() and 1 / 0
    assert not path.exists()


def test_a_replaced_file_is_read_again(folders):
    path = folders / "in" / "mine.json"
    path.write_text(json.dumps(clip()))
    stamp = lambda: LoadKeypoints.fingerprint_inputs("mine.json", width=0, height=0, start_frame=0, frame_count=0)
    first = stamp()
    path.write_text(json.dumps(clip(5)))
    assert first and stamp() != first and LoadKeypoints.fingerprint_inputs(None) == ""


def test_the_filter_says_what_it_did(folders):
    keypoints, report = FilterKeypoints.execute(standing(6), 0, 0.5, True, 8, 0.3).result
    assert len(keypoints) == 6 and report.startswith("1 person in 6 frames. Person 1: frames 0 to 5")
    empty, report = FilterKeypoints.execute(convert(clip(), "SDPose"), 0, 0.5, True, 8, 0.95).result
    assert [frame["people"] for frame in empty] == [[]] * 3 and "lower confidence_threshold" in report
    with pytest.raises(ValueError, match="keep_person: expected"):
        FilterKeypoints.execute(standing(3), 2, 0.5, True, 8, 0.3)


def test_defaults_of_the_nodes_are_valid_calls(folders):
    for node in (SaveKeypoints, FilterKeypoints):
        defaults = {i.id: i.default for i in node.GET_SCHEMA().inputs if i.id != "keypoints"}
        assert node.execute(keypoints=clip(), **defaults)[0]
