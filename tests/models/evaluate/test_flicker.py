"""Flicker relative to the original, where its value is known, and on clips that are soft, noisy or both."""

import pytest
import torch
from pack.models.evaluate.flicker import measure_flicker, sharpness_ratio
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import Nuisances, add_nuisances

STEPS = torch.tensor([0.0, 6.0, 6.0, -4.0, 2.0, 2.0])[:, None, None, None] / 255  # of brightness, frame by frame
BETWEEN = [6, 0, 10, 6, 0]


@pytest.fixture(scope="module")
def clean():
    """A dance, away from black and white so that nothing is cut off."""
    return 0.1 + 0.8 * render(sample_scene(31, frames=6, height=128, width=128, action="dance", objects=0)).rgb


@pytest.fixture(scope="module")
def footage(clean):
    """The same with the noise of a sensor, as an original."""
    return add_nuisances(clean, Nuisances(noise=0.02), 3)


def soft(clip, side=7):
    """A clip blurred over `side` pixels."""
    planes = torch.nn.functional.pad(clip.movedim(-1, 1), (side // 2,) * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(planes, side, 1).movedim(1, -1)


def scores(clip, original):
    """Warp error, added error in steps of 8 bits, and sharpness."""
    found = measure_flicker(clip, original, original)
    mean = lambda error: 255 * error[found.trusted].mean().item()
    everywhere = torch.ones(clip.shape[:3], dtype=torch.bool)
    return mean(found.error), mean(found.added_error), sharpness_ratio(clip, original, everywhere)


def test_the_original_adds_nothing_to_itself(footage):
    error, added, sharpness = scores(footage, footage)
    assert error > 1 and added == 0 and sharpness == 1


def test_steps_of_brightness_are_added_exactly_whatever_the_original_has(footage):
    """A step of brightness is the same along any motion, so motion and noise leave it alone."""
    found = measure_flicker(footage + STEPS, footage, footage)
    added = 255 * found.added_error.mean((1, 2))
    assert added.tolist() == pytest.approx(BETWEEN, abs=1e-3)
    assert scores(footage + STEPS, footage)[2] == pytest.approx(1, abs=1e-4)


def test_more_contrast_adds_its_share_of_the_original_and_is_sharper(footage):
    error, added, sharpness = scores(1.25 * footage, footage)
    own = scores(footage, footage)[0]
    assert error == pytest.approx(1.25 * own, rel=1e-3) and added == pytest.approx(0.25 * own, rel=1e-3)
    assert sharpness == pytest.approx(1.25, rel=1e-4)


def test_a_soft_clip_no_longer_wins_against_its_sharp_original(footage):
    """Alone it has the smaller error; beside the original it has one, and the sharpness says why."""
    error, added, sharpness = scores(soft(footage), footage)
    own = scores(footage, footage)
    assert error < 0.6 * own[0], "blurred noise flickers less"
    assert added > own[1] == 0 and sharpness < 0.6
    worse = scores(soft(footage) + STEPS, footage)
    assert worse[0] < 2 * own[0] and worse[1] > added + 1


def test_without_an_original_there_is_only_the_error(footage):
    found = measure_flicker(footage, footage)
    assert found.original_error is None and found.added_error is None
    assert found.error.shape == found.trusted.shape == (5, 128, 128) and found.trusted.dtype == torch.bool


def test_sharpness_by_hand():
    """Stripes of 0 and 1, two pixels wide, and the same at a quarter of the contrast or blurred to ramps."""
    row = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    picture = lambda values: values[None, None, :, None].expand(1, 6, 8, 3)
    everywhere = torch.ones(1, 6, 8, dtype=torch.bool)
    assert sharpness_ratio(picture(0.25 * row), picture(row), everywhere) == pytest.approx(0.25)
    half = everywhere.clone()
    half[:, :, 2:] = False  # without the steps
    assert sharpness_ratio(picture(row), picture(row), half) == 1
    assert sharpness_ratio(picture(row), picture(0 * row), everywhere) == 1
    assert sharpness_ratio(picture(0 * row), picture(row), everywhere) == 0


def test_progress_comes_pair_by_pair(footage):
    seen = []
    measure_flicker(footage, footage, footage, seen.append)
    assert seen == [1, 2, 3, 4, 5]
