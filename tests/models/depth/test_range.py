"""Clip-wise normalisation and levels against their own definitions, for ordinary and for hostile numbers."""

import numpy as np
import pytest
import torch
from pack.models.choices import DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SCALES, DEPTH_TYPES
from pack.models.depth.edit import remap
from pack.models.depth.range import normalize_clip, valid_pixels

HOSTILE = torch.tensor([float("nan"), float("inf"), -float("inf"), 3.4e38, -3.4e38, 1e-45, 0.0, -0.0, -2.5, 1e-9])


def walking(frames=8, size=12):
    """Distances: a wall at 4 m, a floor at 9 m, and something that walks from 6 m to 1 m."""
    depth = torch.full((frames, size, size), 4.0)
    depth[:, :2] = 9.0
    depth[:, 5:8, 5:8] = torch.linspace(6, 1, frames)[:, None, None]
    return depth


@pytest.mark.parametrize("depth_scale", DEPTH_SCALES)
@pytest.mark.parametrize("range_mode", ["min-max", "percentile"])
def test_still_pixel_keeps_its_value_while_another_moves(depth_scale, range_mode):
    picture, near, far = normalize_clip(
        walking(), range_mode=range_mode, depth_type="distance", depth_scale=depth_scale
    )
    assert (picture[:, 10, 10] == picture[0, 10, 10]).all() and 0 < picture[0, 10, 10] < 1
    assert (picture[1:, 6, 6] >= picture[:-1, 6, 6]).all() and picture[-1, 6, 6] > picture[0, 6, 6] + 0.3
    assert near < far == 9.0


def test_normalising_each_frame_alone_would_flicker():
    depth = walking()
    alone = torch.stack([normalize_clip(frame[None], depth_type="distance")[0][0] for frame in depth])
    assert alone[:, 10, 10].max() - alone[:, 10, 10].min() > 0.1


def test_values_between_near_and_far():
    depth = torch.tensor([[[1.0, 2.0, 3.0, 5.0]]])
    linear = normalize_clip(depth, depth_type="distance")
    assert torch.allclose(linear[0], torch.tensor([1, 0.75, 0.5, 0])) and linear[1:] == (1.0, 5.0)
    inverse = normalize_clip(depth, depth_type="distance", depth_scale="inverse")
    assert torch.allclose(inverse[0], (1 / depth - 0.2) / 0.8) and inverse[1:] == (1.0, 5.0)
    disparity = normalize_clip(depth, depth_type="near is white")
    assert torch.allclose(disparity[0], torch.tensor([0, 0.25, 0.5, 1])) and disparity[1:] == (5.0, 1.0)


@pytest.mark.parametrize("depth_type", DEPTH_TYPES)
@pytest.mark.parametrize("depth_scale", DEPTH_SCALES)
def test_monotone_and_the_two_polarities_add_up_to_one(depth_type, depth_scale):
    depth = torch.rand(1, 4, 50, generator=torch.Generator().manual_seed(1)) * 7 + 0.1
    depth = depth.flatten().sort().values.view(1, 4, 50)
    white = normalize_clip(depth, depth_type=depth_type, depth_scale=depth_scale)[0]
    black = normalize_clip(depth, depth_type=depth_type, depth_scale=depth_scale, polarity="far is white")[0]
    rising = white.flatten().diff() >= 0 if depth_type == "near is white" else white.flatten().diff() <= 0
    assert rising.all() and torch.allclose(white + black, torch.ones(()))
    assert white.min() == 0 and white.max() == 1


@pytest.mark.parametrize("seed", range(40))
def test_any_float_stays_finite_and_between_0_and_1(seed):
    g = torch.Generator().manual_seed(seed)
    pick = lambda choices: choices[int(torch.randint(len(choices), (), generator=g))]
    depth = torch.randn(3, 5, 7, generator=g) * 10.0 ** float(torch.randint(-30, 30, (), generator=g))
    where = torch.rand(3, 5, 7, generator=g) < 0.3
    depth[where] = HOSTILE[torch.randint(len(HOSTILE), (3, 5, 7), generator=g)][where]
    depth[0, 0, 0] = 1.0
    depth_type, depth_scale = pick(DEPTH_TYPES), pick(DEPTH_SCALES)
    near, far = sorted(torch.rand(2, generator=g).tolist())
    picture, near, far = normalize_clip(
        depth, None, pick(DEPTH_RANGES), near + 0.01, far + 0.02, 5, 95, depth_type, depth_scale, pick(DEPTH_POLARITIES)
    )
    assert torch.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1
    assert np.isfinite([near, far]).all() and valid_pixels(depth, depth_type, depth_scale).any()


@pytest.mark.parametrize("range_mode", ["min-max", "percentile"])
@pytest.mark.parametrize("depth_scale", DEPTH_SCALES)
@pytest.mark.parametrize("value", [1e-20, 3.0, 1e30])
def test_constant_depth_is_a_plane_of_one_half(range_mode, depth_scale, value):
    picture, near, far = normalize_clip(
        torch.full((2, 3, 3), value), range_mode=range_mode, depth_type="distance", depth_scale=depth_scale
    )
    assert (picture == 0.5).all() and near == far


def test_rounding_errors_of_a_flat_clip_are_not_blown_up():
    depth = torch.full((2, 4, 4), 3.0)
    depth[1, 2, 2] = torch.nextafter(depth[1, 2, 2], torch.tensor(9.0))
    assert (normalize_clip(depth, depth_type="distance")[0] == 0.5).all()


def test_zero_is_a_depth_unless_it_is_a_distance():
    depth = torch.tensor([[[0.0, 1.0, 2.0]]])
    assert valid_pixels(depth, "near is white").all() and valid_pixels(depth, "far is white").all()
    assert (
        valid_pixels(depth, "distance").tolist()
        == valid_pixels(depth, "near is white", "inverse").tolist()
        == [[[False, True, True]]]
    )
    assert normalize_clip(depth, depth_type="distance")[0].tolist() == [[[0.0, 1.0, 0.0]]], (
        "unknown goes to the far end"
    )


def test_what_is_not_valid_goes_far_and_does_not_stretch_the_range():
    depth, valid = torch.tensor([[[1.0, 2.0, 3.0, 900.0]]]), torch.tensor([[[True, True, True, False]]])
    picture, near, far = normalize_clip(depth, valid, depth_type="distance")
    assert picture.tolist() == [[[1.0, 0.5, 0.0, 0.0]]] and (near, far) == (1.0, 3.0)


def test_percentile_is_exact_repeatable_and_counted_from_the_nearest():
    depth = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(3)) + 1
    _, near, far = normalize_clip(
        depth, range_mode="percentile", near_percent=10, far_percent=75, depth_type="distance"
    )
    assert np.allclose((near, far), np.percentile(depth.numpy(), (10, 75)), rtol=1e-6)
    _, near, far = normalize_clip(depth, range_mode="percentile", near_percent=10, far_percent=75)
    assert np.allclose((near, far), np.percentile(depth.numpy(), (90, 25)), rtol=1e-6)
    again = [normalize_clip(depth, range_mode="percentile")[0] for _ in range(2)]
    assert torch.equal(*again)


def test_percentile_of_a_clip_with_one_common_value():
    depth = torch.full((1, 10, 100), 2.0)
    depth[0, 0, 0], depth[0, 9, 99] = 1.0, 3.0
    picture = normalize_clip(depth, range_mode="percentile", depth_type="distance")[0]
    assert picture[0, 0, 0] == 1 and picture[0, 5, 5] == 0.5 and picture[0, 9, 99] == 0


def test_fixed_range_in_either_order_clamps():
    depth = torch.tensor([[[0.5, 1.0, 2.0, 9.0]]])
    one, other = (normalize_clip(depth, None, "fixed", *pair, depth_type="distance") for pair in ((1, 3), (3, 1)))
    assert torch.equal(one[0], other[0]) and one[1:] == other[1:] == (1, 3)
    assert one[0].tolist() == [[[1.0, 1.0, 0.5, 0.0]]]
    assert normalize_clip(depth, None, "fixed", 1, 3)[1:] == (3, 1)


def test_a_clip_cut_in_two_with_a_fixed_range_is_the_same_clip():
    depth = walking()
    whole, near, far = normalize_clip(depth, depth_type="distance", depth_scale="inverse")
    halves = [
        normalize_clip(h, None, "fixed", near, far, depth_type="distance", depth_scale="inverse")[0]
        for h in depth.split(3)
    ]
    assert torch.equal(torch.cat(halves), whole)


def test_refusals():
    depth = torch.rand(2, 3, 3)
    for arguments, phrase in (
        ({"range_mode": "mean"}, "Expected one of min-max, percentile, fixed, got 'mean'"),
        ({"depth_type": "metres"}, "got 'metres'"),
        (
            {"range_mode": "percentile", "near_percent": 60, "far_percent": 40},
            "near_percent below far_percent within 0 to 100, got 60 and 40",
        ),
        (
            {"range_mode": "fixed", "near": 2, "far": 2},
            "two different numbers as near_depth and far_depth, got 2 and 2",
        ),
        (
            {"range_mode": "fixed", "near": 0, "far": 2, "depth_scale": "inverse"},
            "two numbers above 0 as near_depth and far_depth, got 0 and 2",
        ),
        ({"valid": torch.zeros(2, 3, 3)}, "got none in 2 frames"),
    ):
        with pytest.raises(ValueError, match=phrase):
            normalize_clip(depth, **arguments)
    with pytest.raises(ValueError, match="every pixel is sky, masked, zero or not a number"):
        normalize_clip(torch.full((1, 2, 2), float("nan")))


def test_fixed_range_needs_no_valid_pixel():
    assert (normalize_clip(torch.zeros(1, 2, 2), None, "fixed", 1, 3, depth_type="distance")[0] == 0).all()


def test_levels_gamma_inversion():
    depth = torch.tensor([[[0.0, 0.2, 0.35, 0.5, 1.0]]])
    assert torch.allclose(remap(depth, 0.2, 0.5), torch.tensor([0, 0, 0.5, 1, 1]))
    assert torch.allclose(remap(depth, 0.2, 0.5, 2.0), torch.tensor([0, 0, 0.5**0.5, 1, 1]))
    assert torch.allclose(remap(depth, 0.2, 0.5, invert=True), torch.tensor([1, 1, 0.5, 0, 0]))
    assert torch.equal(remap(depth), depth)
    assert torch.equal(remap(depth, 0.5, 0.2), remap(depth, 0.2, 0.5)), "black is the lower one in both polarities"


def test_strength_blends_frame_by_frame():
    depth = torch.rand(3, 4, 5)
    blended = remap(depth, invert=True, strength=torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(blended[0], depth[0]) and torch.allclose(blended[2], 1 - depth[2])
    assert torch.allclose(blended[1], torch.tensor(0.5))


def test_levels_are_monotone_and_stay_between_0_and_1():
    ramp = torch.linspace(-1, 2, 301).view(1, 1, -1)
    for gamma in (0.01, 0.3, 1, 4, 100):
        out = remap(ramp, 0.1, 0.8, gamma, strength=0.7)
        assert (out.diff() >= 0).all() and out.min() >= 0 and out.max() <= 1


def test_levels_refuse():
    with pytest.raises(ValueError, match="two different greys as near_grey and far_grey, got 0.7 twice"):
        remap(torch.rand(1, 2, 2), 0.7, 0.7)
    with pytest.raises(ValueError, match="gamma above 0, got 0"):
        remap(torch.rand(1, 2, 2), gamma=0)
