"""Pose Pictures to Keypoints between Draw Pose and the nodes that take keypoints."""

import logging

import pytest
import torch
from pack.models.pose.formats import joints
from pack.models.stage import render, sample_scene
from pack.nodes.character.align import AlignPose
from pack.nodes.pose.pose import ConvertPose, DrawPose
from pack.nodes.pose.reading import PoseToKeypoints


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(1, frames=3, height=256, width=256))


def read(images, people=1, threshold=0.6):
    return PoseToKeypoints.execute(images, people, threshold).result


def test_keypoints_go_through_pictures(clip):
    keypoints, report = read(clip.pose)
    (found, confidence), (places, scores) = joints(keypoints), joints(clip.keypoints)
    both = (confidence > 0) & (scores > 0.3)
    assert (found - places)[both].norm(dim=-1).median() < 0.3 and both.sum() > 0.9 * (scores > 0.3).sum()
    assert "Half of the joints are off by less than about" in report and "connect pictures" not in report
    assert keypoints[0]["canvas_width"] == keypoints[0]["canvas_height"] == 256


def test_they_are_drawn_and_converted(clip):
    keypoints = read(clip.pose)[0]
    drawn = DrawPose.execute(keypoints, 0, 0, 0.0, True, True, True, False, 0.3)[0]
    assert (drawn - clip.pose).abs().mean() < 0.15 * clip.pose.mean()
    for pose_format in ("SDPose", "DWPose", "OpenPose"):
        converted = ConvertPose.execute(keypoints, pose_format, 0.3)[0]
        assert (joints(converted)[0] - joints(keypoints)[0]).abs().max() < 1e-2


def test_they_are_aligned_to_another_body(clip):
    aligned = AlignPose.execute(read(clip.pose)[0], clip.character_keypoints, *defaults(AlignPose, 2))[0]
    assert len(aligned) == 3


def defaults(node, given):
    """The defaults of a node's inputs after the first ones."""
    return [entry.default for entry in node.define_schema().inputs[given:] if not entry.optional]


def test_a_picture_without_a_skeleton_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        keypoints, report = read(torch.zeros(2, 32, 32, 3))
    assert (
        keypoints[0]["people"] == []
        and "No skeleton was read in 2 of 2 frames" in caplog.text
        and "connect pictures" in report
    )


@pytest.mark.parametrize(
    "images, phrase",
    [
        (torch.rand(2, 8, 8, 2), "images: expected an IMAGE batch"),
        (torch.full((1, 8, 8, 3), float("nan")), "NaN or infinite"),
        (torch.full((1, 8, 8, 3), 200.0), "0..255"),
    ],
)
def test_refusals(images, phrase):
    with pytest.raises(ValueError, match=phrase):
        read(images)
