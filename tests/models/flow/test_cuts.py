"""Cuts are found between shots, and not where one shot moves fast, changes its light, or flashes."""

import pytest
import torch
from pack.models.flow.cuts import describe_cuts, find_cuts, shots_of
from pack.models.stage import render, sample_scene

FRAMES, SIDE = 10, 96


def shot(seed=7, camera="still", frames=FRAMES):
    size = {"frames": frames, "height": SIDE, "width": SIDE, "frame_rate": 8}
    return render(sample_scene(seed, camera=camera, action="walk", objects=1, **size)).rgb


@pytest.fixture(scope="module")
def clip():
    return shot()


@pytest.mark.parametrize("camera", ["still", "sway", "dolly", "orbit"])
@pytest.mark.parametrize("seed", [3, 7])
def test_no_cut_in_one_shot(seed, camera):
    assert find_cuts(shot(seed, camera)) == []


def test_a_cut_to_another_scene_and_to_another_view_of_it(clip):
    other, close = shot(19), clip[:, 8:56, 30:78].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert find_cuts(torch.cat((clip, other))) == [FRAMES]
    assert find_cuts(torch.cat((clip[:5], close[5:]))) == [5]
    assert find_cuts(torch.cat((clip[:5], clip.flip(2)[5:], other))) == [5, FRAMES]


def test_light_noise_and_a_flash_are_no_cut(clip):
    dark, flash = clip.clone(), clip.clone()
    dark[5:] *= 0.4
    flash[5] = 1 - flash[5]
    noisy = (clip + 0.05 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert find_cuts(dark) == find_cuts(flash) == find_cuts(noisy) == []


def test_a_fast_camera_is_no_cut():
    wide = torch.nn.functional.interpolate(
        torch.rand(1, 3, 4, 24, generator=torch.Generator().manual_seed(1)), size=(SIDE, 640), mode="bicubic"
    )[0].movedim(0, -1)
    assert find_cuts(torch.stack([wide[:, 16 * index : 16 * index + 128] for index in range(8)])) == []


def test_one_frame_flat_frames_and_tiny_frames_have_no_cut(clip):
    flat = torch.full((4, SIDE, SIDE, 3), 0.5)
    assert find_cuts(clip[:1]) == find_cuts(flat) == find_cuts(torch.rand(3, 8, 8, 3)) == []


def test_shots_and_words():
    assert shots_of([2, 5], 6) == [range(0, 2), range(2, 5), range(5, 6)] and shots_of([], 3) == [range(0, 3)]
    assert describe_cuts([5]).endswith("frame 5") and describe_cuts([5, 9]).endswith("frames 5, 9")
    assert describe_cuts(list(range(1, 12))).endswith("and 3 more")
