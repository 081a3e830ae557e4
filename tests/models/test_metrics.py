"""Metrics against values that can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
from pack.models.metrics import depth_errors, edge_distance, frechet, psnr, silhouette
from pack.models.stage import render, sample_scene


def test_depth_errors_by_hand():
    truth, made = torch.zeros(1, 2, 2), torch.tensor([[[0.0, 0.2], [0.0, 0.4]]])
    person = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    errors = depth_errors(made, truth, person)
    assert errors["depth_l2"] == pytest.approx(0.05) and errors["depth_rmse"] == pytest.approx(math.sqrt(0.05))
    assert errors["person_mae"] == pytest.approx(0.1)
    assert math.isnan(depth_errors(made, truth, torch.zeros(1, 2, 2))["person_mae"])


def test_psnr_by_hand():
    assert psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20.0, abs=1e-4)
    assert psnr(torch.ones(3), torch.ones(3)) == 100.0


def disc(x, y, radius, size=64):
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((row - y) ** 2 + (column - x) ** 2 <= radius**2)[None]


@pytest.mark.parametrize("grow", [1, 3, 6])
def test_outlines_of_two_discs_lie_as_far_apart_as_their_radii(grow):
    assert edge_distance(disc(32, 32, 15), disc(32, 32, 15 + grow)) == pytest.approx(
        grow, abs=0.6
    )  # rasters are finite


def test_outlines_of_a_mask_with_itself_and_with_nothing():
    assert edge_distance(disc(30, 30, 9), disc(30, 30, 9)) == 0
    assert math.isnan(edge_distance(disc(30, 30, 9), torch.zeros(1, 64, 64, dtype=torch.bool)))


def test_a_mask_that_leaves_the_picture_has_no_outline_at_its_border():
    half = torch.zeros(1, 32, 32, dtype=torch.bool)
    half[:, :, :16] = True
    other = torch.zeros_like(half)
    other[:, :, :20] = True
    assert edge_distance(half, other) == pytest.approx(4)


def test_the_stages_video_and_depth_have_one_silhouette():
    """The exact clip scores what no network can beat, so the bound of the shipped weights is above it."""
    clip = render(sample_scene(3, frames=3, height=128, width=128, objects=0))
    video = silhouette(clip.rgb, clip.plate, 0.08)
    depth = silhouette(1 / clip.depth, 1 / clip.plate_depth, 0.01)
    assert edge_distance(video, depth) < 0.8


def test_frechet_of_normal_samples_comes_to_the_formula():
    """For distributions with known means and spreads in closed form, diagonal and turned."""
    g = np.random.default_rng(0)
    one, other = g.normal(size=(20000, 3)), g.normal(size=(20000, 3)) * (1.0, 2.0, 0.5) + (0.0, 1.0, 0.0)
    expected = 1.0 + (1 - 2) ** 2 + (1 - 0.5) ** 2
    assert frechet(torch.from_numpy(one), torch.from_numpy(other)) == pytest.approx(expected, rel=0.03)
    turn = np.linalg.qr(g.normal(size=(3, 3)))[0]
    turned = frechet(torch.from_numpy(one @ turn), torch.from_numpy(other @ turn))
    assert turned == pytest.approx(frechet(torch.from_numpy(one), torch.from_numpy(other)), rel=1e-6)
    assert frechet(torch.from_numpy(one), torch.from_numpy(one)) == pytest.approx(0, abs=1e-6)
