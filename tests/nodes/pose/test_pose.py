"""The three formats of POSE_KEYPOINT through our nodes into the host's own SDPose nodes."""

import pytest
import torch
from comfy_extras.nodes_sdpose import SDPoseDrawKeypoints, SDPoseFaceBBoxes, _to_openpose_frames
from pack.models.pose.drawing import COLOURS
from pack.models.pose.formats import PARTS, from_joints
from pack.nodes.pose.pose import ConvertPose, DrawPose

WIDTH, HEIGHT = 512, 384
BODY = [
    *((250, 60), (250, 100), (205, 101), (190, 160), (170, 210), (295, 99), (312, 158), (330, 205)),
    *((225, 220), (220, 290), (215, 360), (275, 220), (281, 289), (288, 361)),
    *((241, 51), (259, 50), (229, 55), (271, 54)),
]
ABSENT = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None, "hand_right_keypoints_2d": None}
FORMATS = ["SDPose", "DWPose", "OpenPose"]


def person(points, pose_format, score=1.0):
    """The person as a detector of that pose_format writes it; a missing point is None."""
    w, h = (WIDTH, HEIGHT) if pose_format == "OpenPose" else (1, 1)
    flat = [n for p in points for n in ((0.0, 0.0, 0.0) if p is None else (p[0] / w, p[1] / h, score))]
    rest = {key: [0.0] * 3 * count for key, count in PARTS.items()} if pose_format == "SDPose" else ABSENT
    return {**rest, "pose_keypoints_2d": flat}


def clip(bodies, pose_format):
    score = 0.93 if pose_format == "SDPose" else 1.0
    return [
        {"canvas_width": WIDTH, "canvas_height": HEIGHT, "people": [person(points, pose_format, score)]}
        for points in bodies
    ]


def host_draws(keypoints, **switches):
    """The host's picture, (N, H, W, 3)."""
    drawn = {
        "draw_body": True,
        "draw_hands": True,
        "draw_face": True,
        "draw_feet": False,
        "draw_head": True,
        **switches,
    }
    return SDPoseDrawKeypoints.execute(keypoints, stick_width=4, face_point_size=3, score_threshold=0.3, **drawn)[0]


def convert(keypoints, pose_format="SDPose", threshold=0.3):
    return ConvertPose.execute(keypoints, pose_format, threshold)[0]


def draw(keypoints, width=0, height=0, stick_width=4.0, threshold=0.3, **parts):
    parts = {"body": True, "hands": True, "face": True, "feet": False, **parts}
    parts = {f"draw_{name}": on for name, on in parts.items()}
    return DrawPose.execute(keypoints, width, height, stick_width, confidence_threshold=threshold, **parts)[0]


def one_joint_a_frame(points):
    return [[p if joint == k else None for k, p in enumerate(points)] for joint in range(18)]


def centres(pictures):
    """(N, 2) weighted middles x, y of what is not black."""
    weight = pictures.sum(-1)
    x = (weight.sum(1) * torch.arange(pictures.shape[2])).sum(1)
    y = (weight.sum(2) * torch.arange(pictures.shape[1])).sum(1)
    return torch.stack((x, y), -1) / weight.sum((1, 2))[:, None]


@pytest.mark.parametrize("pose_format", FORMATS)
def test_host_draws_each_joint_of_every_format_within_half_a_pixel(pose_format):
    """The host cuts fractions off, so the joints here lie up to 0.45 beyond a whole pixel."""
    points = [(x + 0.45 * (k % 3) / 2, y + 0.45 * (k % 2)) for k, (x, y) in enumerate(BODY)]
    pictures = host_draws(convert(clip(one_joint_a_frame(points), pose_format)))
    assert (centres(pictures) - torch.tensor(points)).abs().max() < 0.5
    for picture, (x, y), colour in zip(pictures, points, COLOURS, strict=True):
        assert torch.allclose(picture[int(y), int(x)] * 255, torch.tensor(colour).float(), atol=1)


@pytest.mark.parametrize("pose_format", FORMATS[1:])
def test_host_draws_the_same_picture_from_every_format(pose_format):
    spread = torch.rand(6, 18, 2, generator=torch.Generator().manual_seed(1)).double() * torch.tensor([WIDTH, HEIGHT])
    bodies = [BODY, *(spread.round(decimals=3).tolist())]
    assert torch.equal(host_draws(convert(clip(bodies, pose_format))), host_draws(clip(bodies, "SDPose")))


def test_without_the_converter_the_host_fails():
    with pytest.raises((ValueError, TypeError)):
        host_draws(clip([BODY], "DWPose"))
    shares = clip([BODY], "OpenPose")
    shares[0]["people"][0] = {
        **person([None] * 18, "SDPose"),
        "pose_keypoints_2d": shares[0]["people"][0]["pose_keypoints_2d"],
    }
    assert (host_draws(shares).sum(-1) > 0).sum() < 60


@pytest.mark.parametrize("pose_format", FORMATS)
def test_our_picture_is_the_hosts_with_smooth_edges(pose_format):
    ours, theirs = draw(clip([BODY], pose_format)), host_draws(clip([BODY], "SDPose"))
    drawn = lambda picture: picture.amax(-1) > 0.5
    both, either = (drawn(ours) & drawn(theirs)).sum(), (drawn(ours) | drawn(theirs)).sum()
    assert ours.shape == theirs.shape and both / either > 0.85
    inside = drawn(ours) & (torch.nn.functional.max_pool2d(-theirs.permute(0, 3, 1, 2), 3, 1, 1).amin(1) < -0.5)
    assert ((ours - theirs).abs().amax(-1)[inside] > 0.1).float().mean() < 0.05, "the same colours in the same places"


def test_our_joints_lie_where_they_were_found_to_a_tenth_of_a_pixel():
    points = [(x + 0.37, y + 0.81) for x, y in BODY]
    for pose_format in FORMATS:
        assert (centres(draw(clip(one_joint_a_frame(points), pose_format))) - torch.tensor(points)).abs().max() < 0.1


def test_hands_face_and_feet_of_the_host_match():
    g = torch.Generator().manual_seed(3)
    whole = person(BODY, "SDPose", 0.93)
    for key in PARTS:
        if key != "pose_keypoints_2d":
            points = torch.rand(PARTS[key], 2, generator=g) * 300 + 40
            whole[key] = torch.cat((points.floor(), torch.full((len(points), 1), 0.9)), 1).flatten().tolist()
    frames = [{"canvas_width": WIDTH, "canvas_height": HEIGHT, "people": [whole]}]
    for part, switch in (("hands", "draw_hands"), ("face", "draw_face"), ("feet", "draw_feet")):
        off = {"body": False, "hands": False, "face": False, "feet": False, part: True}
        host_off = {f"draw_{name}": False for name in ("body", "hands", "face", "feet", "head")}
        ours, theirs = draw(frames, **off), host_draws(frames, **{**host_off, switch: True})
        drawn = [picture.amax(-1) > 0.5 for picture in (ours, theirs)]
        assert (drawn[0] & drawn[1]).sum() / (drawn[0] | drawn[1]).sum() > 0.7, part


def test_joints_of_the_stage_go_through_the_host():
    points = torch.tensor([BODY], dtype=torch.float32)
    native = from_joints(points, torch.ones(1, 18), HEIGHT, WIDTH)
    assert torch.equal(host_draws(native), host_draws(clip([BODY], "SDPose")))
    assert SDPoseFaceBBoxes.execute(native, 1.5, True)[0] == [[]]


def test_what_the_hosts_detector_writes_stays_as_it_is():
    g = torch.Generator().manual_seed(5)
    points, scores = torch.rand(3, 2, 133, 2, generator=g) * 300 + 20, torch.rand(3, 2, 133, generator=g) * 0.6 + 0.35
    found = _to_openpose_frames(points.tolist(), scores.tolist(), HEIGHT, WIDTH)
    assert convert(found) == found
    again = convert(convert(found, "DWPose", 0.0))
    assert torch.equal(host_draws(again), host_draws(found))


def test_no_person_and_two_people():
    empty = [{"canvas_width": 64, "canvas_height": 48, "people": []}]
    assert not host_draws(convert(empty)).any() and draw(empty).shape == (1, 48, 64, 3)
    two = clip([BODY], "DWPose")
    two[0]["people"].append(person([(x / 2, y / 2) for x, y in BODY], "DWPose"))
    alone = [[{**two[0], "people": [one]}] for one in two[0]["people"]]
    both = (host_draws(convert(two)) > 0).any(-1)
    assert torch.equal(both, (host_draws(convert(alone[0])) > 0).any(-1) | (host_draws(convert(alone[1])) > 0).any(-1))


def test_size_zero_is_the_canvas_and_automatic_width_follows_the_size():
    keypoints = clip([BODY], "SDPose")
    assert draw(keypoints).shape == (1, HEIGHT, WIDTH, 3)
    assert draw(keypoints, width=128).shape == (1, HEIGHT, 128, 3)
    large, small = (draw(keypoints, size, size, stick_width=0.0).amax(-1).mean() for size in (1024, 256))
    assert abs(large / small - 1) < 0.1, "the same share of the picture at any size"


def test_defaults_of_the_nodes_are_valid_calls():
    for node in (DrawPose, ConvertPose):
        defaults = {i.id: i.default for i in node.GET_SCHEMA().inputs if i.id != "keypoints"}
        assert len(node.execute(keypoints=clip([BODY], "DWPose"), **defaults)[0]) == 1


def test_refusals_reach_the_user():
    wrong = clip([BODY], "SDPose")
    wrong[0]["people"][0]["hand_left_keypoints_2d"] = [1.0, 2.0, 1.0]
    with pytest.raises(
        ValueError, match="frame 0: expected 63 numbers in hand_left_keypoints_2d|keypoints: expected 63"
    ):
        draw(wrong)
    with pytest.raises(ValueError, match="expected canvas_height in pixels"):
        convert([{"canvas_width": 5, "people": []}])
