"""Colours matched by gain and offset."""

import pytest
import torch
from pack.models.layers.match_colours import (
    Correction,
    averaged_sums,
    compared_areas,
    correction_of,
    describe,
    describe_match,
    fit_sums,
    measure_differences,
)

HIGH, WIDE = 96, 128
GAIN, OFFSET = torch.tensor([0.9, 1.0, 1.15]), torch.tensor([0.05, -0.03, 0.0])
EVERYWHERE = torch.ones(HIGH, WIDE, dtype=torch.bool)


def scene(seed=1, low=0.2, high=0.75):
    """A picture of soft spots, none of which is cut off."""
    spots = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(seed))
    plane = torch.nn.functional.interpolate(spots, size=(HIGH, WIDE), mode="bilinear")[0].permute(1, 2, 0)
    return low + (high - low) * plane


def drifted(picture):
    """What the correction GAIN, OFFSET turns back into the picture."""
    return (picture - OFFSET) / GAIN


def fitted(here, there, valid=EVERYWHERE):
    return correction_of(fit_sums(compared_areas(here, there, valid))[None], 1)


def test_gain_and_offset_are_found():
    found = fitted(drifted(scene()), scene())
    assert torch.allclose(found.gain[0], GAIN, atol=3e-3) and torch.allclose(found.offset[0], OFFSET, atol=2e-3)
    assert torch.allclose(found.apply(drifted(scene()), 0), scene(), atol=2e-3)


def test_the_same_picture_stays():
    found = fitted(scene(), scene())
    assert torch.allclose(found.gain, torch.ones(1, 3), atol=1e-6) and found.offset.abs().max() < 1e-6


def test_a_third_that_shows_something_else_hardly_counts():
    there = scene()
    there[:, :42] = scene(9).flip(0)[:, :42]
    found = fitted(drifted(scene()), there)
    assert torch.allclose(found.apply(drifted(scene()), 0), scene(), atol=0.01)


def test_noise_and_blur_do_not_change_the_contrast():
    noise = 0.05 * torch.randn(HIGH, WIDE, 3, generator=torch.Generator().manual_seed(3))
    found = fitted(drifted(scene()) + noise, scene())
    assert torch.allclose(found.gain[0], GAIN, atol=0.02)
    large = scene().repeat_interleave(3, 0).repeat_interleave(3, 1)
    blurred = torch.nn.functional.avg_pool2d(drifted(large).permute(2, 0, 1)[None], 3, 1, 1, count_include_pad=False)
    found = fitted(blurred[0].permute(1, 2, 0), large, torch.ones(large.shape[:2], dtype=torch.bool))
    assert torch.allclose(found.gain[0], GAIN, atol=0.01)


def test_only_what_is_valid_is_compared():
    valid = EVERYWHERE.clone()
    valid[:, 64:] = False
    there = scene()
    there[:, 64:] = 0.9
    assert torch.allclose(fitted(drifted(scene()), there, valid).gain[0], GAIN, atol=5e-3)


def test_cut_off_lights_do_not_count():
    bright = scene(low=0.3, high=1.0)
    cut = (bright / 0.8).clamp_max(1.0)
    assert (cut == 1).float().mean() > 0.1
    assert torch.allclose(fitted(cut, bright).gain, torch.full((1, 3), 0.8), atol=5e-3)


def test_a_plain_wall_is_moved_and_keeps_its_contrast():
    wall = torch.full((HIGH, WIDE, 3), 0.5)
    found = fitted(wall, wall + 0.1)
    assert torch.allclose(found.gain, torch.ones(1, 3), atol=1e-4)
    assert torch.allclose(found.apply(wall, 0), wall + 0.1, atol=1e-4)


def test_nothing_to_compare_changes_nothing():
    found = fitted(scene(), scene(2), ~EVERYWHERE)
    assert torch.equal(found.gain, torch.ones(1, 3)) and torch.equal(found.offset, torch.zeros(1, 3))
    areas = compared_areas(scene(), scene(2), ~EVERYWHERE)
    assert measure_differences([areas], found) is None
    assert "unchanged" in describe_match(found, None)


def test_frames_without_a_scene_take_from_their_neighbours():
    sums = torch.stack([
        fit_sums(compared_areas(drifted(scene()), scene(), EVERYWHERE if index != 3 else ~EVERYWHERE)) for index in range(6)
    ])  # fmt: skip
    for window in (1, 5):
        found = correction_of(sums, window)
        assert torch.allclose(found.gain, GAIN.expand(6, 3), atol=3e-3)


def test_averaging_over_time_takes_out_trembling_and_keeps_a_steady_value():
    generator = torch.Generator().manual_seed(4)
    tremble = 0.02 * torch.randn(24, generator=generator)
    sums = torch.stack([fit_sums(compared_areas(scene() - shift, scene(), EVERYWHERE)) for shift in tremble])
    alone, smooth = correction_of(sums, 1), correction_of(sums, 9)
    middle = lambda one: one.apply(torch.full((24, 3), 0.5)[0], 0)
    assert torch.isfinite(middle(alone)).all()
    at_half = lambda one: 0.5 * one.gain + one.offset
    assert at_half(smooth).diff(dim=0).abs().mean() < 0.35 * at_half(alone).diff(dim=0).abs().mean()
    same = torch.ones(7, 3, 5, dtype=torch.float64)
    weights = averaged_sums(same, 3)[:, 0, 0]
    assert weights.tolist() == [3, 4, 4, 4, 4, 4, 3]


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_strength_is_a_share_of_the_correction(strength):
    one = Correction(GAIN[None], OFFSET[None])
    there = scene() * GAIN + OFFSET
    assert torch.allclose(one.apply(scene(), 0, strength), torch.lerp(scene(), there, strength), atol=1e-6)


def test_the_report_gives_numbers():
    areas = [compared_areas(drifted(scene()), scene(), EVERYWHERE)] * 3
    found = correction_of(torch.stack([fit_sums(one) for one in areas]), 3)
    before, after = measure_differences(areas, found)
    assert before > 10 * after
    assert describe(found).startswith("red x 0.90 +12.")
    assert "of 255 off before" in describe_match(found, (before, after))
