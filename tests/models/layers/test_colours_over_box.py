"""Gain and offset of colours against changes that are known exactly."""

import numpy as np
import pytest
from pack.models.layers.colours_over_box import box_places, match_colours

HEIGHT, WIDTH = 48, 64


def wall(seed=0, low=0.2, high=0.7):
    """(H, W, 3) blotches, a ring around a hole in the middle (H, W), and the places of all pixels (H W, 2)."""
    drawn = np.random.default_rng(seed).random((HEIGHT // 4, WIDTH // 4, 3), dtype=np.float32)
    picture = low + (high - low) * drawn.repeat(4, 0).repeat(4, 1)
    ring = np.ones((HEIGHT, WIDTH), bool)
    ring[12:36, 20:44] = False
    return picture, ring, box_places(HEIGHT, WIDTH).reshape(-1, 2)


def changed(picture):
    """Another light: darker towards the right, and hazy."""
    across, down = np.moveaxis(box_places(HEIGHT, WIDTH), -1, 0)[..., None]
    return picture * (0.8 - 0.1 * across) * np.array([1.0, 0.95, 0.9], np.float32) + 0.03 + 0.02 * down


def applied(match, picture, places):
    return match.apply(picture.reshape(-1, picture.shape[-1]), places).reshape(picture.shape)


def test_the_change_is_found_around_the_hole_and_holds_in_it():
    picture, ring, places = wall()
    match = match_colours(picture, changed(picture), ring)
    assert np.abs(applied(match, picture, places) - changed(picture)).max() < 0.004


def test_what_differs_in_less_than_half_of_the_places_does_not_count():
    picture, ring, places = wall()
    end = changed(picture)
    end[:, :10] *= 0.5  # a shadow
    end[44:] = np.random.default_rng(1).random((4, WIDTH, 3))  # leaves
    hole = ~ring
    match = match_colours(picture, end, ring)
    assert np.abs(applied(match, picture, places) - changed(picture))[hole].mean() < 0.01


def test_noise_does_not_pull_the_colours_towards_their_mean():
    picture, ring, places = wall()
    noise = np.random.default_rng(2).normal(0, 0.01, (2, *picture.shape)).astype(np.float32)
    match = match_colours(picture + noise[0], changed(picture) + noise[1], ring)
    error = (applied(match, picture, places) - changed(picture))[~ring]
    assert np.abs(error).mean() < 0.005


def test_a_flat_surrounding_is_taken_for_a_change_of_exposure():
    picture, ring, places = wall(low=0.5, high=0.5)
    match = match_colours(picture, picture * 0.8, ring)
    dark = np.full_like(picture, 0.2)
    assert np.abs(applied(match, dark, places) - 0.16).max() < 0.01


def test_clipped_colours_do_not_count():
    picture, ring, places = wall(low=0.3, high=0.95)
    match = match_colours(picture, np.minimum(picture * 1.3, 1), ring)
    dark = picture < 0.7
    assert np.abs(applied(match, picture, places) - picture * 1.3)[dark].max() < 0.01


@pytest.mark.parametrize("where", ["nothing changed", "too few places"])
def test_nothing_to_match(where):
    picture, ring, _ = wall()
    if where == "nothing changed":
        assert match_colours(picture, picture.copy(), ring) is None
    else:
        assert match_colours(picture, picture * 0.5, ring & (np.arange(WIDTH) < 0)) is None


def test_nearness_is_left_alone_and_colours_stay_in_their_range():
    picture, ring, places = wall(low=0.0, high=1.0)
    near = np.dstack((picture, np.full((HEIGHT, WIDTH), 7.0, np.float32)))
    match = match_colours(picture * 0.5, picture, ring)
    out = applied(match, near, places)
    assert (out[..., 3] == 7).all() and out[..., :3].min() >= 0 and out[..., :3].max() <= 1
