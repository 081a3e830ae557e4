"""Skeletons read from the stage's own pictures, clean and degraded: joints, confidence, error, people and other styles."""

import numpy as np
import pytest
import torch
from pack.models.pose.drawing import draw
from pack.models.pose.fit import Look, draw_skeletons
from pack.models.pose.formats import BODY, from_joints, joints
from pack.models.pose.reading import read_clip, read_frame
from pack.models.stage import render, sample_scene
from tiny.painted import WAYS, noise

TRUNK = slice(1, 14)  # neck to ankles; the joints of the head hide each other in small pictures
# Size of the clip, the most that half of the joints and nine tenths of the trunk's may be off in pixels, the least share read.
MOST = {
    "clean": (256, 0.3, 0.8, 0.93),
    "noise": (256, 0.3, 0.8, 0.93),
    "blur": (256, 0.5, 1.5, 0.9),
    "encoded": (512, 2.5, 8.0, 0.85),
}


def rendered(size, frames=4, seed=5):
    clip = render(sample_scene(seed, frames=frames, height=size, width=size))
    return clip.pose, *joints(clip.keypoints)


def errors(keypoints, places, scores):
    """Distances of the joints that are drawn and read, and whether each drawn joint was read."""
    found, confidence = joints(keypoints)
    drawn = scores > 0.3
    return (found - places).norm(dim=-1)[drawn & (confidence > 0)], (confidence > 0)[drawn]


@pytest.mark.parametrize("way", WAYS)
def test_the_stages_skeletons_are_read(way):
    size, half, most, share = MOST[way]
    pose, places, scores = rendered(size)
    reading = read_clip(WAYS[way](pose))
    error, read = errors(reading.keypoints, places, scores)
    assert error.median() < half and read.float().mean() > share
    found, confidence = joints(reading.keypoints)
    assert ((confidence > 0) & (scores <= 0.3)).float().mean() < 0.03  # a joint that is not drawn is not read
    trunk = (found - places).norm(dim=-1)[:, TRUNK][confidence[:, TRUNK] > 0]
    assert trunk.quantile(0.9) < most and reading.advice is None


@pytest.mark.parametrize("way", ["clean", "blur", "encoded"])
def test_the_stated_error_is_that_of_half_of_the_joints(way):
    pose, places, scores = rendered(MOST[way][0])
    reading = read_clip(WAYS[way](pose))
    median = errors(reading.keypoints, places, scores)[0].median().item()
    assert median / 4 < reading.error < 4 * median + 0.2
    assert f"off by less than about {reading.error:.1f} pixels" in reading.text


def test_a_small_skeleton_of_thin_limbs_is_read():
    pose, places, scores = rendered(128)
    error, read = errors(read_clip(pose).keypoints, places, scores)
    assert error.median() < 0.4 and read.float().mean() > 0.9


def test_what_is_drawn_from_it_is_the_picture():
    pose, *_ = rendered(256)
    again = draw(read_clip(noise(pose)).keypoints)
    assert (again - pose).abs().mean() < 0.15 * pose.mean()


def test_a_missing_joint_has_no_confidence():
    pose, places, scores = rendered(256, 2)
    scores = scores.clone()
    scores[:, [4, 10]] = 0  # right wrist and right ankle
    clip = from_joints(places, scores, 256, 256)
    found, confidence = joints(read_clip(draw(clip)).keypoints)
    assert (
        (confidence[:, [4, 10]] == 0).all() and (found[:, [4, 10]] == 0).all() and (confidence[:, [3, 9]] > 0.6).all()
    )
    report = read_clip(draw(clip)).text
    assert "right wrist in 2" in report and "right ankle in 2" in report


def test_dimmer_limbs_of_other_packs_are_read():
    places = rendered(256, 1)[1][0].numpy()
    picture = torch.from_numpy(draw_skeletons([places], Look(3.0, 4.0, 0.6), (256, 256)).astype(np.float32) / 255)
    (one,) = read_frame(picture, 1)
    assert one.look.shade == 0.6 and abs(one.look.half - 3) < 0.4 and abs(one.look.radius - 4) < 0.4
    assert np.nanmedian(np.linalg.norm(one.joints - places, axis=1)) < 0.3


def test_the_hosts_own_drawing_is_read():
    nodes = pytest.importorskip("comfy_extras.nodes_sdpose")
    _, places, scores = rendered(512, 1)
    canvas = nodes.KeypointDraw().draw_wholebody_keypoints(
        np.zeros((512, 512, 3), np.uint8), places[0].numpy(), scores[0].numpy()
    )
    reading = read_clip(torch.from_numpy(canvas)[None].float() / 255)
    error, read = errors(reading.keypoints, places, scores)
    assert error.median() < 1.5 and read.float().mean() > 0.9


def test_two_people_keep_their_order():
    _, places, scores = rendered(256, 3)
    left, right = places + torch.tensor([-60.0, 0.0]), places + torch.tensor([60.0, 0.0])
    clip = [
        frame | {"people": frame["people"] + other["people"]}
        for frame, other in zip(from_joints(left, scores, 256, 256), from_joints(right, scores, 256, 256), strict=True)
    ]
    reading = read_clip(noise(draw(clip)), 2)
    middles = []
    for frame in reading.keypoints:
        bodies = [torch.tensor(person[BODY]).view(18, 3) for person in frame["people"]]
        assert len(bodies) == 2
        middles.append([body[body[:, 2] > 0][:, 0].mean() for body in bodies])
    order = [bool(first < second) for first, second in middles]
    assert order in ([True] * 3, [False] * 3)
    first = sorted(range(2), key=lambda person: middles[0][person])[0]
    bodies = torch.stack([torch.tensor(frame["people"][first][BODY]).view(18, 3) for frame in reading.keypoints])
    kept = (bodies[..., 2] > 0) & (scores > 0.3)
    assert (bodies[..., :2] - left)[kept].norm(dim=-1).median() < 0.4
    assert len(read_clip(draw(clip)).keypoints[0]["people"]) == 1  # one unless more are asked for


def test_pictures_without_a_skeleton_are_said():
    clip = render(sample_scene(3, frames=2, height=128, width=128))
    for pictures in (torch.zeros(2, 64, 64, 3), torch.ones(2, 64, 64, 3), clip.rgb):
        reading = read_clip(pictures)
        assert all(frame["people"] == [] for frame in reading.keypoints), reading.text
        assert "No skeleton was read in 2" in reading.text and "connect pictures of skeletons" in reading.advice
        assert (joints(reading.keypoints)[1] == 0).all()
