"""Metrics against values that can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
from pack.models.depth.match import fit
from pack.models.evaluate.metrics import (
    cosines,
    depth_errors,
    draw_error,
    edge_distance,
    frame_consistency,
    frechet,
    mean_where,
    psnr,
    silhouette,
)
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
    video = silhouette(clip.rgb, clip.scene_images, 0.08)
    depth = silhouette(1 / clip.depth, 1 / clip.scene_depth, 0.01)
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
    with pytest.raises(ValueError, match="each needs at least 2, but they have 1 and "):
        frechet(torch.from_numpy(one[:1]), torch.from_numpy(other))


def test_cosines_of_vectors_at_known_angles():
    angles = torch.tensor([0.0, 30.0, 90.0, 180.0]).deg2rad()
    vectors = torch.stack((angles.cos(), angles.sin()), 1) * torch.tensor([[1.0], [7.0], [0.1], [300.0]])
    expected = (angles[:, None] - angles[None]).cos()
    assert torch.allclose(cosines(vectors, vectors).float(), expected, atol=1e-6)
    assert cosines(vectors, vectors[:1]).shape == (4, 1)


def test_frame_consistency_is_the_mean_over_pairs_of_different_frames():
    """Three frames with cosines 1/2, 0 and cos 30 between them, then many against a loop in plain Python."""
    angles = torch.tensor([0.0, 60.0, 90.0]).deg2rad()
    score, alike = frame_consistency(torch.stack((angles.cos(), angles.sin()), 1))
    assert score == pytest.approx(100 * (0.5 + 0 + math.sqrt(3) / 2) / 3, abs=1e-4)
    assert alike[0, 1] == pytest.approx(50, abs=1e-4) and alike.diagonal().tolist() == pytest.approx([100] * 3)
    vectors = np.random.default_rng(0).normal(size=(7, 16)) + 0.5
    unit = lambda v: v / math.sqrt(sum(x * x for x in v))
    pairs = [float(unit(vectors[i]) @ unit(vectors[j])) for i in range(7) for j in range(7) if i != j]
    assert frame_consistency(torch.from_numpy(vectors))[0] == pytest.approx(100 * sum(pairs) / len(pairs), abs=1e-9)


def test_a_still_clip_is_wholly_consistent_and_opposite_frames_are_not():
    assert frame_consistency(torch.ones(4, 8))[0] == pytest.approx(100)
    assert frame_consistency(torch.tensor([[1.0, 2.0], [-2.0, -4.0]]))[0] == pytest.approx(-100)


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (2.5, -0.4), (-0.7, 0.9), (1e-3, 5.0)])
def test_fit_finds_scale_and_shift_again(scale, shift):
    made = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0))
    truth = scale * made + shift
    here = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(1)) > 0.5
    truth[~here] = 99.0  # what is not counted has no say
    assert fit(made, truth, here) == pytest.approx((scale, shift), rel=1e-4, abs=1e-5)


def test_fit_is_numpys_least_squares():
    g = np.random.default_rng(2)
    made, truth = g.random((2, 6, 5)), g.random((2, 6, 5))
    columns = np.stack((made.ravel(), np.ones(made.size)), 1)
    expected = np.linalg.lstsq(columns, truth.ravel(), rcond=None)[0]
    everywhere = torch.ones(2, 6, 5, dtype=torch.bool)
    assert fit(torch.from_numpy(made), torch.from_numpy(truth), everywhere) == pytest.approx(tuple(expected), abs=1e-12)


def test_fit_of_flat_depth_shifts_it_only():
    everywhere = torch.ones(1, 2, 2, dtype=torch.bool)
    truth = torch.tensor([[[0.0, 0.2], [0.4, 0.6]]])
    assert fit(torch.full((1, 2, 2), 0.7), truth, everywhere) == pytest.approx((1.0, 0.3 - 0.7))


def test_mean_where_counts_nothing_else():
    values, counted = torch.tensor([[1.0, 5.0], [3.0, 100.0]]), torch.tensor([[True, False], [True, False]])
    assert mean_where(values, counted) == 2.0
    assert mean_where(values[..., None].repeat(1, 1, 3), counted) == 2.0
    assert math.isnan(mean_where(values, counted & False))


def test_drawn_errors_are_brighter_and_blue_where_nothing_counts():
    error, counted = torch.tensor([[[0.1, 0.9]]]), torch.tensor([[[True, True]]])
    drawn = draw_error(error, counted, 3.0)
    assert drawn.shape == (1, 1, 2, 3) and torch.allclose(drawn[0, 0], torch.tensor([[0.3] * 3, [1.0] * 3]))
    drawn = draw_error(torch.tensor([[[[0.1, 0.0, 0.2], [0.5, 0.5, 0.5]]]]), torch.tensor([[[True, False]]]), 2.0)
    assert torch.allclose(drawn[0, 0, 0], torch.tensor([0.2, 0.0, 0.4])) and drawn[0, 0, 1].argmax() == 2
