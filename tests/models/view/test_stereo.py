"""Pairs of eyes: parallax, layouts and what is comfortable."""

import math

import pytest
import torch
from pack.models.srgb import to_linear, to_srgb
from pack.models.view.comfort import Comfort
from pack.models.view.reproject import reproject
from pack.models.view.stereo import (
    anaglyph,
    eye_lens,
    field_of_fisheye,
    fisheye_lens,
    half,
    side_of_fisheye,
)

SIZE = (24, 120)
FOCAL = 100.0


@pytest.mark.parametrize("distance", [1.0, 2.0, 5.0])
def test_points_at_the_convergence_distance_stay(distance):
    x, y = torch.arange(120.0), torch.arange(24.0)[:, None]
    nearness = torch.full(SIZE, 1 / distance)
    left, right = (eye_lens(place, FOCAL, SIZE, 2.0).places(x, y, nearness) for place in (-0.05, 0.05))
    expected = FOCAL * 0.1 * (1 / 2.0 - 1 / distance)
    torch.testing.assert_close(right[0] - left[0], torch.full(SIZE, expected), atol=1e-4, rtol=0)
    torch.testing.assert_close(right[1], y.expand(SIZE))
    torch.testing.assert_close(right[2], torch.full(SIZE, distance))


def test_the_left_eye_sees_more_of_what_is_left_behind_a_card():
    depth = torch.full(SIZE, 6.0)
    depth[:, 50:70] = 2.0
    holes = [
        reproject(torch.ones(*SIZE, 3), depth, eye_lens(p, FOCAL, SIZE, math.inf)).holes[12] for p in (-0.12, 0.12)
    ]
    left, right = (hole[5:-5].nonzero()[:, 0] + 5 for hole in holes)
    assert left.tolist() == [52, 53, 54, 55] and right.tolist() == [64, 65, 66, 67]


def test_red_cyan_glasses_separate_the_eyes():
    white, black = torch.ones(2, 3, 3), torch.zeros(2, 3, 3)
    red, cyan = anaglyph(white, black)[0, 0], anaglyph(black, white)[0, 0]
    assert red[0] > 0.9 and red[1:].max() < 0.1
    assert cyan[0] < 0.1 and cyan[1:].min() > 0.9
    torch.testing.assert_close(anaglyph(white, white), white, atol=0.03, rtol=0)


def test_linear_light_and_back():
    colour = torch.linspace(0, 1, 256)
    torch.testing.assert_close(to_srgb(to_linear(colour)), colour, atol=1e-5, rtol=0)


def test_half_a_picture_is_the_mean_of_two_pixels():
    picture = torch.tensor([0.0, 1.0, 0.5, 0.5, 9.0])[None, :, None].expand(3, 5, 3)
    assert half(picture, 1)[0, :, 0].tolist() == [0.5, 0.5]
    assert half(picture, 0).shape == (1, 5, 3)


def test_vr180_shows_the_picture_in_its_own_field_and_nothing_else():
    size, focal = (60, 80), 70.0
    side = side_of_fisheye(focal)
    field = field_of_fisheye(side, focal, size)
    view = reproject(torch.ones(*size, 3), torch.full(size, 4.0), fisheye_lens(0.0, focal, size, side))
    assert side == 216 and (field & view.holes).sum() == 0
    # Pixels reach half a pixel farther than their middles.
    assert (~view.holes & ~field).sum() < 2 * (sum(size))


def comfort(near=2.0, far=6.0, **changes):
    depth = torch.full(SIZE, far)
    depth[:, 50:70] = near
    one = Comfort(**{"focal": 1200.0, "width": 1280, "eye_distance": 0.063, "convergence": 3.0, "screen_width": 1.2,
                     "viewing_distance": 2.5, **changes})  # fmt: skip
    one.add(depth, 0)
    return one


def test_parallax_in_percent_and_degrees():
    one = comfort()
    assert (one.nearest, one.farthest) == (2.0, 6.0)
    assert one.parallax(3.0) == 0 and one.parallax(2.0) == pytest.approx(-100 * 1200 * 0.063 / 6 / 1280)
    assert one.angle(0.0) == 0 and one.angle(one.parallax(2.0)) < 0 < one.angle(one.parallax(6.0))
    assert one.angle(-1.0) == pytest.approx(-math.degrees(0.012 / 2.5), rel=0.01)
    assert "Comfortable" in comfort(eye_distance=0.02).report()


def test_too_much_depth_says_what_to_lower_and_that_is_enough():
    one = comfort(eye_distance=0.4)
    (advice,) = [line for line in one.advice() if "eye_distance to about" in line]
    lowered = float(advice.split("about ")[1].split(" mm")[0]) / 1000
    assert 0 < lowered < 0.4
    assert not [line for line in comfort(eye_distance=0.98 * lowered).advice() if "tires" in line]


def test_eyes_that_would_turn_outwards():
    assert any("outwards" in line for line in comfort(far=1000.0, screen_width=12.0, viewing_distance=20.0).advice())


def test_something_in_front_of_the_screen_at_its_side():
    one = comfort()
    assert not one.windows
    depth = torch.full(SIZE, 6.0)
    depth[:, :10] = 2.0
    one.add(depth, 7)
    assert one.windows == [7] and "cut off" in one.report()
    behind = comfort(convergence=1.5)
    behind.add(depth, 1)
    assert not behind.windows
