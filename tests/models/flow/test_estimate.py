"""Estimated flow against motion that is known: moved textures, and the stage with its exact flow."""

import cv2
import numpy as np
import pytest
import torch
from pack.models.flow.estimate import consistent, dis_flow, grey, warp_errors
from pack.models.flow.warp import warp
from pack.models.stage import render, sample_scene


def texture(height=96, width=128, seed=0):
    """A soft random picture (H, W, 3), twice as large as what is cut from it."""
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return (
        torch.nn.functional.interpolate(coarse, size=(2 * height, 2 * width), mode="bicubic")[0]
        .movedim(0, -1)
        .clamp(0, 1)
    )


def sliding(frames=4, dx=3, dy=-2, height=96, width=128):
    """A window that moves over a texture, so that the picture slides by (-dx, -dy) a frame."""
    large = texture(height, width)
    corner = [(height // 2 + dy * k, width // 2 + dx * k) for k in range(frames)]
    return torch.stack([large[y : y + height, x : x + width] for y, x in corner])


@pytest.fixture(scope="module")
def stage():
    """A dance before a camera that sways: everything moves, most of it by a few pixels."""
    return render(
        sample_scene(31, frames=4, height=128, width=128, frame_rate=12, action="dance", objects=0, camera="sway")
    )


@pytest.fixture(scope="module")
def estimated(stage):
    """Flow there and back between neighbours of the stage clip, and where it is trusted."""
    there = torch.stack([dis_flow(a, b) for a, b in zip(stage.rgb, stage.rgb[1:], strict=False)])
    back = torch.stack([dis_flow(b, a) for a, b in zip(stage.rgb, stage.rgb[1:], strict=False)])
    return there, back, consistent(there, back)


def test_grey_is_opencvs():
    picture = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0))
    expected = cv2.cvtColor(picture.numpy(), cv2.COLOR_RGB2GRAY) * 255
    assert np.abs(grey(picture) - expected).max() < 0.51
    assert grey(torch.tensor([[[2.0, 2.0, 2.0], [-1.0, -1.0, -1.0]]])).tolist() == [[255, 0]]


@pytest.mark.parametrize("dx, dy", [(3, -2), (0, 0), (-5, 4)])
def test_a_sliding_picture_flows_as_it_slides(dx, dy):
    clip = sliding(2, dx, dy)
    flow = dis_flow(clip[0], clip[1])
    away = (flow - torch.tensor([-dx, -dy])).norm(dim=-1)
    assert flow.shape == (96, 128, 2) and away[8:-8, 8:-8].mean() < 0.1


def test_flow_of_the_stage_is_near_the_exact_one(stage, estimated):
    """On what moves, where the exact flow has a point visible again, compared with no motion at all."""
    there, _, trusted = estimated
    away, moves = (there - stage.forward).norm(dim=-1), stage.forward.norm(dim=-1)
    moving = stage.forward_valid & (moves > 0.5)
    assert moving.float().mean() > 0.02
    assert away[moving].mean() < 0.5 * moves[moving].mean()
    assert away[moving].median() < 0.25 * moves[moving].median()
    assert away[moving & trusted].mean() < 0.6 * away[moving].mean(), "what is not trusted is what is wrong"
    assert trusted[stage.forward_valid].float().mean() > 0.9


def test_consistency_by_hand():
    """One pixel comes back, one ends too far away, one leaves the picture."""
    forward, backward = torch.zeros(1, 1, 8, 2), torch.zeros(1, 1, 8, 2)
    forward[0, 0, 0, 0], backward[0, 0, 2, 0] = 2.0, -2.0  # there and back
    forward[0, 0, 1, 0], backward[0, 0, 4, 0] = 3.0, -1.0  # two pixels short of home
    forward[0, 0, 7, 0] = 1.0  # out at the right
    trusted = consistent(forward, backward)[0, 0]
    assert trusted[0] and not trusted[1] and not trusted[7] and trusted[5]


def test_hidden_points_are_trusted_less(stage, estimated):
    trusted, visible = estimated[2], stage.forward_valid
    assert trusted[~visible].float().mean() < trusted[visible].float().mean() - 0.15


def test_errors_are_those_of_opencvs_own_remap():
    """The same flow, fetched by cv2.remap, compared by numpy."""
    clip = sliding(3, 2, 1) + torch.linspace(0, 0.1, 3)[:, None, None, None]
    clip = clip.clamp(0, 1)
    errors, trusted = warp_errors(clip, clip)
    assert errors.shape == trusted.shape == (2, 96, 128)
    y, x = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(128, dtype=np.float32), indexing="ij")
    for i in range(2):
        flow = dis_flow(clip[i], clip[i + 1]).numpy()
        follower = cv2.remap(
            clip[i + 1].numpy(), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        expected = np.abs(follower - clip[i].numpy()).mean(-1)
        assert np.abs(errors[i].numpy() - expected).mean() < 1e-3  # remap rounds to 1/32 of a pixel


def test_a_change_of_brightness_is_its_own_error():
    """Sliding and darker by 20 of 255 each frame: the motion is compensated, the darkening stays."""
    clip = 0.3 + 0.6 * sliding(3, 2, 0) - torch.arange(3)[:, None, None, None] * 20 / 255
    moved = sliding(3, 2, 0)
    errors, trusted = warp_errors(clip, moved)
    assert 255 * errors[trusted].mean() == pytest.approx(20, abs=0.5)


def test_a_true_clip_has_a_small_error_and_flicker_and_disorder_a_large_one(stage):
    """The error along the exact flow is what no estimate can beat."""
    clip = stage.rgb
    exact = (warp(clip[1:], stage.forward) - clip[:-1]).abs().mean(-1)[stage.forward_valid].mean().item()
    mean = lambda images: (lambda errors, trusted: errors[trusted].mean().item())(*warp_errors(images, clip))
    true, noise = mean(clip), 0.2 * torch.rand(clip.shape, generator=torch.Generator().manual_seed(0)) - 0.1
    assert true < 2.5 * exact, (true, exact)
    assert mean((clip + noise).clamp(0, 1)) > 4 * true
    assert mean(clip[[2, 0, 3, 1]]) > 3 * true


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (8, 64), (12, 12), (16, 300), (31, 33)])
def test_any_size_and_progress(size):
    reports = []
    clip = torch.rand(3, *size, 3, generator=torch.Generator().manual_seed(0))
    errors, trusted = warp_errors(clip, clip, reports.append)
    assert errors.shape == trusted.shape == (2, *size) and torch.isfinite(errors).all() and reports == [1, 2]


def test_half_precision_and_inputs_stay():
    clip = sliding(2)
    kept = clip.clone()
    errors, _ = warp_errors(clip.double(), clip)
    assert errors.dtype == torch.float64 and torch.equal(clip, kept)
