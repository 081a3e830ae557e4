"""Holes under a camera that travels are filled by depth, where that explains what is seen."""

from dataclasses import replace

import numpy as np
import pytest
from pack.models.layers.parallax import Comparison, Parallax, pixel_places, sample

SIZE = (96, 128)
MOTION = Parallax(np.array([[1.01, 0.004, -1.5, 6.0], [-0.004, 1.0, 0.8, 0.5], [0, 0, 1, 0.01]]))


def two_pictures(motion=MOTION):
    """A textured picture of a wall and a floor, its nearness, and what a camera sees of it after a motion."""
    draw = np.random.default_rng(0)
    coarse = draw.random((SIZE[0] // 4, SIZE[1] // 4)).astype(np.float32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    first = 255 * sample(coarse, np.dstack((x / 4, y / 4)))
    near = 0.2 + 0.8 * np.maximum(0, y / SIZE[0] - 0.5) + 0.1 * (x > 80)
    second = sample(first, motion.back(pixel_places(SIZE), near)[0])
    return first.astype(np.uint8), near.astype(np.float32), second.astype(np.uint8)


def missed(found, near, also=None):
    """Pixels by which the places that were found are wrong on average, where they were searched successfully."""
    places, settled = found.back(pixel_places(SIZE), near if also is None else also)
    true, known = MOTION.back(pixel_places(SIZE), near)
    return np.linalg.norm(places - true, axis=-1)[settled & known].mean()


def test_a_place_goes_back_to_where_it_came_from():
    _, near, _ = two_pictures()
    places, settled = MOTION.back(pixel_places(SIZE), near)
    full = np.dstack((places, np.ones(SIZE), sample(near, places))) @ MOTION.matrix.T
    error = np.linalg.norm(full[..., :2] / full[..., 2:] - pixel_places(SIZE), axis=-1)
    assert settled.mean() > 0.9 and error[settled].max() < 1


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (3, 0.5), (-1, 1)])
def test_the_motion_is_found_whatever_the_scale_and_the_shift_of_the_nearness(scale, shift):
    first, near, second = two_pictures()
    given = (scale * near + shift).astype(np.float32)
    hidden = np.ones(SIZE, bool)
    hidden[30:80, 50:75] = False
    found = Comparison(first, second, given, hidden).motion(np.eye(3))
    assert found is not None and missed(found, near, given) < 0.3


def test_without_parallax_or_with_a_depth_that_explains_nothing_there_is_no_motion_by_depth():
    matrix = MOTION.matrix.copy()
    matrix[:, 3] = 0
    first, near, second = two_pictures(replace(MOTION, matrix=matrix))
    everywhere = np.ones(SIZE, bool)
    assert Comparison(first, second, near, everywhere).motion(np.eye(3)) is None
    first, near, second = two_pictures()
    assert Comparison(first, second, np.full_like(near, 0.3), everywhere).motion(np.eye(3)) is None
    assert Comparison(first, second, near, np.zeros(SIZE, bool)).motion(np.eye(3)) is None
