"""Color Wheel to Flow on what Draw Flow paints, with frames counted and scaled as a flow's."""

import logging

import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.nodes.flow.drawing import DrawFlow
from pack.nodes.flow.painted import ColorWheelToFlow
from pack.nodes.flow.warp import WarpByFlow
from tiny.painted import noise

MAX = 48.0


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(5, frames=5, height=128, width=128, frame_rate=24))


@pytest.fixture(scope="module")
def flow(clip):
    return {name: getattr(clip, name).float() for name in ("forward", "forward_valid", "backward", "backward_valid")}


def draw(flow, wheel="RAFT", direction="to next frame"):
    style = {"drawing_style": "color wheel", "max_motion": MAX}
    return DrawFlow.execute(flow, style, direction, 1, None, wheel)[0]


def read(pictures, wheel="RAFT", max_motion=MAX, direction="to next frame", images=None, remove_noise=False):
    return ColorWheelToFlow.execute(pictures, wheel, max_motion, direction, remove_noise, images).result


@pytest.mark.parametrize("wheel", ["RAFT", "Duet"])
def test_what_draw_flow_paints_comes_back_with_its_holes(flow, wheel):
    found, report = read(draw(flow, wheel), wheel)
    assert set(found) == set(flow)
    short = flow["forward"].norm(dim=-1) < MAX
    assert (found["forward"] - flow["forward"]).norm(dim=-1)[short].max() < 0.1
    assert (found["forward_valid"] == flow["forward_valid"])[short].float().mean() > 0.99
    assert "0.19 pixels of motion" in report and f"the color wheel {wheel} on average" in report


def test_the_opposite_direction_is_that_of_the_stage(flow):
    found = read(draw(flow, "RAFT"))[0]
    sure = (flow["backward_valid"] > 0) & (found["backward_valid"] > 0) & (flow["backward"].norm(dim=-1) < MAX)
    error = (found["backward"] - flow["backward"]).norm(dim=-1)[sure]
    assert error.mean() < 0.2 and error.quantile(0.99) < 4
    assert found["backward_valid"][flow["backward_valid"] > 0].mean() > 0.97


def test_noise_is_removed(flow):
    pictures = noise(draw(flow))
    sure = (flow["forward_valid"] > 0) & (flow["forward"].norm(dim=-1) < MAX)
    errors = [
        (read(pictures, remove_noise=on)[0]["forward"] - flow["forward"]).norm(dim=-1)[sure].mean()
        for on in (True, False)
    ]
    assert errors[0] < 0.6 * errors[1] and errors[0] < 0.02 * MAX


def test_hsv_is_on_black(flow):
    pictures = draw(flow, "HSV")
    still = flow["forward"].norm(dim=-1) == 0
    assert pictures[still].max() == 0
    short = flow["forward"].norm(dim=-1) < MAX
    assert (read(pictures, "HSV")[0]["forward"] - flow["forward"]).norm(dim=-1)[short].max() < 0.1


@pytest.mark.parametrize("direction, name", [("to next frame", "forward"), ("to previous frame", "backward")])
def test_a_picture_without_a_neighbour_is_left_out(clip, flow, direction, name):
    pictures = draw(flow, direction=direction)
    extra = torch.ones_like(pictures[:1])
    as_many = torch.cat((pictures, extra) if name == "forward" else (extra, pictures))
    for given in (pictures, as_many):
        found = read(given, direction=direction, images=clip.rgb)[0]
        assert len(found[name]) == len(clip.rgb) - 1
        short = flow[name].norm(dim=-1) < MAX
        assert (found[name] - flow[name]).norm(dim=-1)[short].max() < 0.1


def test_its_scale_is_measured_and_the_flow_warps_the_clip(clip, flow):
    found, report = read(draw(flow), max_motion=0.0, images=clip.rgb)
    assert "Measured by the images, full colour is a motion of" in report
    moving = (flow["forward"].norm(dim=-1) > 1) & (flow["forward"].norm(dim=-1) < MAX)
    ratio = (found["forward"].norm(dim=-1) / flow["forward"].norm(dim=-1))[moving].median().item()
    assert 0.85 < ratio < 1.15
    for mode, name in (("to next frame", "backward"), ("to previous frame", "forward")):
        warped, holes = WarpByFlow.execute(clip.rgb, found, mode).result
        here, there = (clip.rgb[1:], clip.rgb[:-1]) if name == "backward" else (clip.rgb[:-1], clip.rgb[1:])
        kept = (flow[f"{name}_valid"] > 0) & (holes < 0.5)
        errors = [(picture - here).abs().mean(-1)[kept].mean() for picture in (warped, there)]
        assert errors[0] < 0.5 * errors[1], (mode, errors)


def test_a_clip_of_another_size_measures_the_same_motion(clip, flow):
    half = torch.nn.functional.interpolate(clip.rgb.movedim(-1, 1), size=64, mode="area").movedim(1, -1)
    sizes = [read(draw(flow), max_motion=0.0, images=images)[0]["forward"] for images in (clip.rgb, half)]
    ratio = (sizes[1].norm(dim=-1).max() / sizes[0].norm(dim=-1).max()).item()
    assert sizes[1].shape == sizes[0].shape and 0.7 < ratio < 1.3


def test_another_wheel_is_named_in_a_warning(flow, caplog):
    with caplog.at_level(logging.WARNING):
        report = read(draw(flow), "Duet")[1]
    assert "set color_wheel to RAFT." in report and "RAFT fits better" in caplog.text


def test_flow_to_still_keeps_every_frame(clip):
    found = read(torch.rand(4, 16, 16, 3), direction="to still")[0]
    assert set(found) == {"to_picture", "to_picture_valid"} and found["to_picture"].shape == (4, 16, 16, 2)


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda c: read(torch.rand(2, 8, 8, 3), max_motion=0.0), "got 0 without images: connect the clip"),
        (lambda c: read(torch.rand(2, 8, 8, 2)), "flow_images: expected an IMAGE batch"),
        (lambda c: read(torch.rand(2, 128, 128, 3), images=c.rgb), "expected 5 or 4 pictures for 5 frames of images, got 2"),
        (lambda c: read(torch.rand(4, 128, 128, 3), images=c.rgb, direction="to still"), "expected 5 pictures for 5 frames"),
        (lambda c: read(torch.rand(4, 128, 64, 3), images=c.rgb), "expected the shape of flow_images, 64 x 128, got 128 x 128"),
        (lambda c: read(torch.rand(1, 128, 128, 3), images=c.rgb[:1]), "expected at least 2 frames for a motion"),
        (lambda c: read(torch.rand(2, 8, 8, 3) * float("nan")), "NaN or infinite"),
    ],
)  # fmt: skip
def test_refusals(clip, call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call(clip)
