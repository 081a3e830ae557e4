"""Painted flow and back: the wheel of torchvision, the stage's own flow clean and degraded, and its scale by the clip."""

from types import SimpleNamespace

import pytest
import torch
from pack.models.choices import FLOW_WHEELS
from pack.models.depth.residual import LARGE
from pack.models.flow.motion_scale import measure_motion
from pack.models.flow.painted import read_painted, wheel_residual
from pack.models.flow.warp import colour_wheel
from pack.models.flow.wheels import HIDDEN, paint, read
from pack.models.stage import render, sample_scene
from tiny.painted import WAYS, noise

# The most that a painted motion may be off, in percent of max_motion, on average where something moves and in the median.
MOST = {"clean": (0.01, 0.01), "noise": (7.0, 6.0), "blur": (5.0, 0.5), "encoded": (13.0, 6.0)}


def every_offset(count=200):
    """(count, count, 2) unit offsets in a disc."""
    turn, size = torch.linspace(-torch.pi, torch.pi, count), torch.linspace(0.02, 1, count)
    return size[:, None, None] * torch.stack((turn.cos(), turn.sin()), -1)


@pytest.fixture(scope="module")
def clip():
    clip = render(sample_scene(8, frames=5, height=160, width=160, frame_rate=16))
    max_motion = clip.forward.norm(dim=-1).max().item()
    return SimpleNamespace(rgb=clip.rgb, flow=clip.forward, unit=clip.forward / max_motion, max_motion=max_motion)


@pytest.mark.parametrize("wheel", FLOW_WHEELS)
def test_every_offset_comes_back(wheel):
    unit = every_offset()
    found, visible = read(paint(unit, wheel), wheel)
    assert visible.all() and (found - unit).abs().max() < 1e-4
    eight_bits = (paint(unit, wheel) * 255).round() / 255
    assert (read(eight_bits, wheel)[0] - unit).norm(dim=-1).max() < 0.02


def test_raft_is_the_wheel_of_torchvision():
    from torchvision.utils import flow_to_image

    unit = every_offset()
    unit = unit / unit.norm(dim=-1).max()
    theirs = flow_to_image(unit.movedim(-1, 0)[None]).movedim(1, -1)[0] / 255
    assert (paint(unit, "RAFT") - theirs).abs().max() < 2 / 255  # theirs rounds the wheel and the picture to bytes
    assert (read(theirs, "RAFT")[0] - unit).norm(dim=-1).max() < 0.03


def test_duet_is_the_wheel_of_draw_flow_and_hsv_that_of_opencv():
    import cv2

    unit = every_offset()
    assert torch.allclose(paint(unit, "Duet"), colour_wheel(unit, 1.0), atol=1e-6)
    size, angle = cv2.cartToPolar(unit[..., 0].numpy(), unit[..., 1].numpy(), angleInDegrees=True)
    planes = torch.stack((torch.from_numpy(angle), torch.ones(unit.shape[:2]), torch.from_numpy(size)), -1)
    theirs = torch.from_numpy(cv2.cvtColor(planes.numpy(), cv2.COLOR_HSV2RGB))
    assert (paint(unit, "HSV") - theirs).abs().max() < 1e-2


@pytest.mark.parametrize("wheel", FLOW_WHEELS)
def test_directions_are_those_of_a_flow(wheel):
    right, down = read(paint(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), wheel), wheel)[0]
    assert right[0] > 0.99 and down[1] > 0.99 and paint(torch.tensor([1.0, 0.0]), wheel)[0] > 0.99


@pytest.mark.parametrize("wheel", ["RAFT", "Duet"])
def test_what_is_painted_dark_is_not_valid_and_keeps_its_direction(wheel):
    unit = every_offset()
    found, visible = read(HIDDEN * paint(unit, wheel), wheel)
    assert not visible.any() and (found - unit).norm(dim=-1).max() < 1e-3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wheel", FLOW_WHEELS)
def test_the_stages_flow_comes_back(clip, wheel, way):
    painted = WAYS[way](paint(clip.unit, wheel))
    field = read_painted(painted, wheel, clip.max_motion)
    moving = clip.flow.norm(dim=-1) > 0.5
    error = 100 * (field.offset - clip.flow).norm(dim=-1)[moving] / clip.max_motion
    assert error.mean() < MOST[way][0] and error.median() < MOST[way][1]
    still = field.offset.norm(dim=-1)[~moving]
    assert still.median() < 0.03 * clip.max_motion and field.valid.mean() > 0.9


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wheel", FLOW_WHEELS)
def test_the_wheel_that_fits_is_named(clip, wheel, way):
    painted = WAYS[way](paint(clip.unit, wheel))
    assert wheel_residual(painted, wheel).advice is None, wheel_residual(painted, wheel)
    for other in FLOW_WHEELS:
        if other != wheel:
            fit = wheel_residual(painted, other)
            assert fit.best_name == wheel
            if fit.average > LARGE:  # Duet and RAFT are much alike in some directions
                assert f"set color_wheel to {wheel}." in fit.text


@pytest.mark.parametrize("way", ["clean", "noise", "encoded"])
def test_the_scale_is_measured_by_the_clip(clip, way):
    painted = WAYS[way](paint(clip.unit, "RAFT"))
    found = measure_motion(painted, "RAFT", clip.rgb[:-1], clip.rgb[1:])
    assert abs(found.max_motion / clip.max_motion - 1) < 0.1 and found.explained > 13 and found.advice is None


def test_flow_of_another_direction_is_seen(clip):
    found = measure_motion(paint(-clip.unit, "RAFT"), "RAFT", clip.rgb[:-1], clip.rgb[1:])
    assert found.explained < 10 and "check direction" in found.advice


def test_white_has_no_scale(clip):
    white = noise(torch.ones(2, 160, 160, 3), 1.0)
    with pytest.raises(ValueError, match="got pictures without colour: set max_motion"):
        measure_motion(white, "RAFT", clip.rgb[:2], clip.rgb[1:3])


def test_an_unknown_wheel_is_refused():
    with pytest.raises(ValueError, match="Expected one of RAFT, Duet, HSV, got 'sun'"):
        read(torch.rand(2, 2, 3), "sun")
