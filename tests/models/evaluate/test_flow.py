"""Measures of generated motion, against numbers worked out by hand and against the stage."""

import math

import pytest
import torch
from pack.models.evaluate.flow import (
    RandomFeatures,
    end_point_error,
    frechet_by_group,
    nearest_class,
    pixel_offsets,
    psnr_where,
    signature,
)
from pack.models.lfdm.warp import fetch
from pack.models.stage import ACTION_NAMES, render, sample_scene
from pack.models.stage.motion import MOVES, StageMotion, as_grid


def test_distances_by_group_are_those_worked_out_by_hand():
    """Numbers on a line: class a lies 2 apart with one spread; b has one mean, and variances of 2 and 8."""
    made = torch.tensor([[0.0], [2.0], [9.0], [11.0], [5.0]])
    truth = torch.tensor([[2.0], [4.0], [8.0], [12.0], [7.0]])
    groups = ["a", "a", "b", "b", "alone"]
    found = frechet_by_group(made, truth, groups, groups)
    a, b = 4.0, (math.sqrt(8) - math.sqrt(2)) ** 2
    assert found["groups"] == 2
    assert found["mean"] == pytest.approx((a + b) / 2) and found["spread"] == pytest.approx((a - b) / 2)
    assert math.isnan(frechet_by_group(made, truth, groups, "vwxyz")["mean"])


def test_errors_count_only_what_they_should():
    offset, truth = torch.zeros(2, 2, 2, 2), torch.zeros(2, 2, 2, 2)
    offset[0, 0, 0] = torch.tensor([3.0, 4.0])
    offset[1, 1, 1] = 100.0
    counted = torch.zeros(2, 2, 2, dtype=torch.bool)
    counted[0, 0] = True
    assert end_point_error(offset, truth, counted) == pytest.approx(2.5)
    made, picture = torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    made[0, :, 0, 0] = 0.1
    made[1] = 1.0
    assert psnr_where(made, picture, counted) == pytest.approx(10 * math.log10(2 / 0.01))
    assert psnr_where(picture, picture, counted) == 100


def test_a_grid_of_rest_moves_no_pixel_and_a_shifted_one_as_far_as_it_is_shifted():
    grid = as_grid(torch.zeros(1, 8, 8, 2))
    assert pixel_offsets(grid, (8, 8)).abs().max() < 1e-5
    grid[..., 0] += 2 / 8  # an eighth of the picture
    assert (pixel_offsets(grid, (8, 8)) - torch.tensor([1.0, 0.0])).abs().max() < 1e-5


def test_true_flow_between_any_frames_fetches_the_picture():
    scene = sample_scene(3, frames=6, height=64, width=64, frame_rate=8.0, objects=0, action="dance")
    pictures = render(scene).rgb.permute(0, 3, 1, 2)
    motion = StageMotion.of(scene)
    flow, kind = motion.to_first()
    assert not flow[0].any() and (kind[0] > 0).all()
    back = fetch(pictures[:1].expand(6, -1, -1, -1), as_grid(flow))
    moving = (kind == MOVES).float()[:, None]
    still = ((pictures - pictures[:1]).abs() * moving).sum() / moving.sum()
    along = ((pictures - back).abs() * moving).sum() / moving.sum()
    assert along < 0.5 * still, "the person is found where the flow says, up to light and edges"
    neighbours = render(scene).backward[2]
    assert (motion.flow([3], [2])[0][0] - neighbours).abs().max() < 1e-3, "the stage's own flow of neighbours"


def test_the_nearest_true_flow_names_the_action_whatever_its_phase_and_side():
    flow = lambda seed, action: StageMotion.of(
        sample_scene(seed, frames=12, height=32, width=32, frame_rate=8.0, objects=0, action=action)
    ).to_first()[0]
    known, classes = [], []
    for index in range(48):
        classes.append(ACTION_NAMES[index % 8])
        known.append(signature(flow(300 + index, classes[-1])))
    asked = [ACTION_NAMES[index % 8] for index in range(16)]
    made = [signature(flow(index, action)) for index, action in enumerate(asked)]
    found = nearest_class(torch.stack(made), torch.stack(known), classes)
    assert sum(a == b for a, b in zip(asked, found, strict=True)) >= 14
    mirrored = flow(0, asked[0]).flip(2) * torch.tensor([-1.0, 1.0])
    assert (signature(mirrored) - made[0]).abs().max() < 1e-6


def test_random_features_are_fixed_and_separate_motion_from_rest():
    g = torch.Generator().manual_seed(0)
    clip = torch.rand(2, 5, 3, 24, 24, generator=g)
    look = RandomFeatures()
    one = look(clip)
    assert one.shape == (2, 64) and torch.equal(one, RandomFeatures()(clip))
    still = clip[:, :1].expand(-1, 5, -1, -1, -1)
    assert (look(still) - one).norm() > 0.1 * one.norm()
    assert (look(clip.flip(0)) - one.flip(0)).abs().max() < 1e-5
