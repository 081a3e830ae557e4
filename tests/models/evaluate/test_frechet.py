"""Fréchet distances against the textbook formula by scipy, intervals against distributions whose distance is known."""

import numpy as np
import pytest
import scipy.linalg
import torch
from pack.models.evaluate.features import cut, latent_summary, over_time, random_features
from pack.models.evaluate.frechet import distance, distance_by_group, in_shared_axes
from pack.models.evaluate.metrics import frechet


def by_scipy(one, other):
    """The formula as torchmetrics, torch-fidelity and pytorch-fid write it."""
    root = scipy.linalg.sqrtm(np.cov(one.T) @ np.cov(other.T))
    apart = np.square(one.mean(0) - other.mean(0)).sum()
    return apart + np.trace(np.cov(one.T) + np.cov(other.T) - 2 * root.real)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (500, 90, 40), (60, 60, 59)])
def test_the_distance_is_that_of_scipys_square_root(n, m, d):
    g = np.random.default_rng(n)
    one, other = g.normal(size=(n, d)) @ g.normal(size=(d, d)), 1 + g.normal(size=(m, d)) @ g.normal(size=(d, d))
    found = frechet(torch.from_numpy(one), torch.from_numpy(other))
    assert found == pytest.approx(by_scipy(one, other), rel=1e-6)


def test_fewer_samples_than_features_are_no_special_case():
    """Where the square root of a singular product is unstable, small numbers of samples in a known plane say what is right."""
    g = np.random.default_rng(1)
    plane = np.linalg.qr(g.normal(size=(60, 3)))[0].T
    one, other = g.normal(size=(12, 3)), 2 * g.normal(size=(9, 3)) + 1
    expected = by_scipy(one, other)
    one, other = (torch.from_numpy(points @ plane) for points in (one, other))
    assert frechet(one, other) == pytest.approx(expected, rel=1e-9)
    small = in_shared_axes(one, other)
    assert small[0].shape == (12, 21) and frechet(*small) == pytest.approx(expected, rel=1e-9)
    assert frechet(one, one) == pytest.approx(0, abs=1e-10)


def test_the_interval_covers_the_true_distance_about_as_often_as_it_says():
    """60 pairs of sets from two normal distributions 1 apart, one twice as wide in one of four directions: distance 2."""
    wide = torch.tensor([2.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    g, hits, values, centres = torch.Generator().manual_seed(0), 0, [], []
    for seed in range(60):
        one, other = (torch.randn(80, 4, generator=g, dtype=torch.float64) for _ in range(2))
        found = distance(one + torch.tensor([0.0, 1.0, 0.0, 0.0]), other * wide, draws=120, seed=seed)
        hits += found.low <= 2.0 <= found.high
        values.append(found.value)
        centres.append((found.low + found.high) / 2)
    assert 50 <= hits
    bias, corrected = (abs(sum(some) / len(some) - 2) for some in (values, centres))
    assert sum(values) / len(values) > 2 and corrected < bias, "few samples make the distance too large"


def test_matched_sets_are_drawn_together():
    """Each sample of one set is one of the other, moved by 1 and a little noise: their distance is known to be near 1."""
    g, hits = torch.Generator().manual_seed(0), 0
    for seed in range(40):
        one = 10 * torch.randn(50, 4, generator=g, dtype=torch.float64)
        other = one + torch.tensor([1.0, 0.0, 0.0, 0.0]) + 0.3 * torch.randn(50, 4, generator=g, dtype=torch.float64)
        found = distance(one, other, 100, seed, matched=True)
        hits += found.low <= 1.0 <= found.high and found.high - found.low < 1
    assert hits >= 32
    assert distance(one, other, 100).high < found.low, "drawn apart they lose what they share"
    with pytest.raises(ValueError, match="these have 50 and 49: give as many"):
        distance(one, other[:49], 100, matched=True)


def test_the_same_seed_gives_the_same_interval_and_more_samples_a_narrower_one():
    g = torch.Generator().manual_seed(3)
    one, other = torch.randn(400, 3, generator=g), torch.randn(400, 3, generator=g) + 1
    all_of_them, few = distance(one, other, 60), distance(one[:40], other[:40], 60)
    assert all_of_them == distance(one, other, 60)
    assert all_of_them.high - all_of_them.low < 0.6 * (few.high - few.low)
    assert distance(one, other, 0)[1:] == (0.0, float("inf"))


def test_the_mean_over_groups_is_that_of_their_own_distances():
    """Numbers on a line: class a lies 2 apart with one spread; b has one mean, and variances of 2 and 8."""
    made = torch.tensor([[0.0], [2.0], [9.0], [11.0], [5.0]])
    truth = torch.tensor([[2.0], [4.0], [8.0], [12.0], [7.0]])
    names = ["a", "a", "b", "b", "alone"]
    found = distance_by_group(made, truth, names, names, draws=20)
    assert found.groups == {"a": pytest.approx(4.0), "b": pytest.approx(2.0)} and found.left_out == ["alone"]
    assert found.mean.value == pytest.approx(3.0) and found.spread == pytest.approx(1.0)
    assert found.mean.low <= found.mean.high
    with pytest.raises(ValueError, match="there is none among a, alone, b, v: give more"):
        distance_by_group(made, truth, names, ["v"] * 5)


def test_groups_show_what_the_whole_hides():
    """Two classes that changed places are one set as a whole and far apart within each class."""
    g = torch.Generator().manual_seed(5)
    low, high = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g) + 10
    names = ["low"] * 50 + ["high"] * 50
    made, truth = torch.cat((low, high)), torch.cat((high, low))
    assert distance(made, truth, 0).value == pytest.approx(0, abs=1e-6)
    assert distance_by_group(made, truth, names, names, 0).mean.value > 150


def test_features_of_clips_have_their_place_and_their_change():
    latents = torch.stack((torch.full((2, 4, 4), 1.0), torch.full((2, 4, 4), 3.0)))
    latents[1, 0, :2] += 2
    assert latent_summary(latents).tolist() == [[1, 1, 0, 0], [4, 3, 1, 0]]
    assert over_time(latent_summary(latents)).tolist() == [2.5, 2, 0.5, 0, 3, 2, 1, 0]
    assert over_time(torch.ones(1, 2)).tolist() == [1, 1, 0, 0]
    clip = torch.rand(7, 24, 24, 3, generator=torch.Generator().manual_seed(0))
    assert [len(part) for part in cut(clip, 3)] == [3, 3] and len(cut(clip, 0)[0]) == 7 and cut(clip, 8) == []
    assert random_features([clip, clip.flip(1)]).shape == (2, 64)
