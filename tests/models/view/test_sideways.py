"""A second eye, row by row, against the way that serves any lens."""

import math

import pytest
import torch
from pack.models.stage import sample_scene
from pack.models.stage.clip import Clip
from pack.models.view.lens import Pinhole, fisheye, moved, stays_in_rows
from pack.models.view.path import pose_along
from pack.models.view.reproject import reproject, visible_anywhere
from pack.models.view.sideways import visible_sideways
from pack.models.view.stereo import eye_lens

SIZE = (24, 60)


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("place", [-0.3, -0.065, 0.02, 0.15])
@pytest.mark.parametrize("convergence", [2.0, math.inf])
def test_rows_by_themselves_give_what_whole_pictures_give(seed, place, convergence):
    clip = Clip(sample_scene(seed, frames=1, height=144, width=200), samples=2)
    lens = eye_lens(place, clip.camera.focal, (144, 200), convergence)
    one, other = (way(clip.rgb[0], clip.depth[0], lens) for way in (visible_sideways, visible_anywhere))
    assert other.holes.any() and not other.holes.all()
    # A piece whose side lies exactly at the middle of a pixel may round to either.
    assert (one.holes != other.holes).sum() <= 3
    same = ~one.holes & ~other.holes
    difference = (one.picture - other.picture)[same].abs()
    assert difference.max() < 2e-2 and difference.mean() < 1e-5
    torch.testing.assert_close(one.depth[same], other.depth[same], atol=0, rtol=1e-3)
    assert not one.picture[one.holes].any() and torch.isnan(one.depth[one.holes]).all()


def test_random_distances_are_placed_alike():
    """No surface is smooth here: every pixel is a piece alone, and many lie behind each other."""
    draw = torch.Generator().manual_seed(3)
    picture, depth = torch.rand(*SIZE, 4, generator=draw), 1 + 5 * torch.rand(SIZE, generator=draw)
    depth[3:5, 10:20], depth[8, 8], depth[9, 9] = torch.nan, 0.0, math.inf
    lens = eye_lens(0.2, 40.0, SIZE, 3.0)
    one, other = (way(picture, depth, lens) for way in (visible_sideways, visible_anywhere))
    assert torch.equal(one.holes, other.holes) and one.holes.any()
    torch.testing.assert_close(one.picture, other.picture, atol=1e-4, rtol=0)
    torch.testing.assert_close(one.depth, other.depth, equal_nan=True, atol=0, rtol=1e-4)


def test_a_surface_that_is_pulled_wide_has_no_gaps():
    """A slanted wall becomes many times as wide; its pieces reach over several pixels."""
    depth = (1 / torch.linspace(0.2, 0.9, SIZE[1])).expand(SIZE).contiguous()
    lens = eye_lens(-4.0, 100.0, SIZE, 2.0)
    one, other = (way(torch.rand(*SIZE, 3), depth, lens) for way in (visible_sideways, visible_anywhere))
    assert torch.equal(one.holes, other.holes) and not one.holes.all()
    torch.testing.assert_close(one.depth, other.depth, equal_nan=True, atol=0, rtol=1e-4)


def test_an_unmoved_camera_gives_the_same_bits():
    picture = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(0))
    view = reproject(picture, torch.full(SIZE, 3.0), eye_lens(0.0, 40.0, SIZE, 2.0))
    assert torch.equal(view.picture, picture) and not view.holes.any()


def test_inference_mode_holds_in_every_thread():
    with torch.inference_mode():
        view = reproject(torch.rand(*SIZE, 3), torch.full(SIZE, 3.0), eye_lens(0.1, 40.0, SIZE, 2.0))
    assert view.picture.is_inference() and view.holes.any()


@pytest.mark.parametrize("path, stays", [
    ("truck", True), ("pedestal", False), ("dolly", False), ("orbit", False), ("pan", False), ("tilt", False), ("zoom", False),
])  # fmt: skip
def test_which_lenses_stay_in_rows(path, stays):
    amount = 1.2 if path == "zoom" else 0.4 if path in ("truck", "pedestal", "dolly") else 3.0
    assert stays_in_rows(pose_along(path, amount, 1.0, 3.0).lens(50.0, SIZE), SIZE) is stays


def test_other_sizes_fisheyes_and_small_shears_do_not_stay_in_rows():
    assert stays_in_rows(eye_lens(0.1, 50.0, SIZE, 2.0), SIZE)
    assert not stays_in_rows(eye_lens(0.1, 50.0, SIZE, 2.0), (48, 120))
    assert not stays_in_rows(moved(torch.eye(3), torch.zeros(3), 50.0, SIZE, 25.0, (12, 30)), SIZE)
    assert not stays_in_rows(fisheye(torch.zeros(3), 50.0, SIZE, 60), SIZE)
    turn = torch.eye(3, dtype=torch.float64)
    turn[1, 0] = 1e-4
    assert not stays_in_rows(Pinhole(turn, torch.tensor([5.0, 0.0, 0.0]), 1.0, SIZE), SIZE)
    assert not stays_in_rows(Pinhole(torch.eye(3), torch.tensor([5.0, 0.1, 0.0]), 1.0, SIZE), SIZE)
