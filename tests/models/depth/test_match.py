"""Depth brought into the greys of another, and the mask of what is nearer, against the ground truth of the stage."""

import pytest
import torch
from pack.models.depth.match import match, nearer_mask
from pack.models.stage import render, sample_scene


@pytest.fixture(scope="module")
def stage():
    """Depth with the person in a range of its own, that of the empty room in another, and where the person is."""
    clip = render(sample_scene(3, frames=3, height=64, width=64, objects=0))
    inverse, room = 1 / clip.depth, (1 / clip.scene_depth).expand_as(clip.depth)
    low, high = inverse.aminmax()
    return (inverse - low) / (high - low), (room - 0.05) / 0.6, clip.whole_person_mask


def test_the_range_is_found_with_a_person_in_front_of_the_scene(stage):
    depth, room, _ = stage
    noisy = (depth + 0.01 * torch.randn(depth.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    for estimate, within in ((depth, 0.005), (noisy, 0.02)):
        scale, shift, same = match(estimate, room)
        error = (scale * estimate + shift - room).abs()
        assert error[same].mean() < within and same.float().mean() > 0.8


def test_a_mask_says_what_counts(stage):
    depth, room, person = stage
    scale, shift, same = match(depth, room, person < 0.01)
    assert (scale * depth + shift - room).abs()[person < 0.01].max() < 1e-4
    assert not same[person > 0.5].any()


def test_what_is_nearer_is_the_person_but_for_the_feet(stage):
    depth, room, person = stage
    scale, shift, _ = match(depth, room, person < 0.01)
    found = nearer_mask(scale * depth + shift, room, 0.02, 0.0) > 0.5
    assert (found & (person > 0)).sum() == found.sum(), "nothing but the person is in front of the room"
    rows = (person > 0.5).any(0).any(-1).nonzero()[:, 0]
    upper = slice(int(rows.min()), int(rows.min()) + int(0.8 * len(rows)))
    assert found[:, upper][person[:, upper] > 0.9].all()


def test_the_edge_fades_over_the_given_pixels():
    depth = torch.zeros(1, 16, 32)
    depth[..., 16:] = 0.5
    row = nearer_mask(depth, torch.zeros_like(depth), 0.1, 4.0)[0, 8]
    assert row[:13].max() == 0 and row[19:].min() == 1 and (row[14:18].diff() > 0).all()
    assert row[15] + row[16] == pytest.approx(1)


def test_flat_depth_keeps_its_scale():
    scale, shift, _ = match(torch.full((1, 8, 8), 0.3), torch.full((1, 8, 8), 0.5))
    assert (scale, shift) == (1.0, pytest.approx(0.2))
