"""What moves in front of a still camera, against the stage's exact masks and clips whose every pixel is known."""

import pytest
import torch
from pack.models.layers.motion_mask import MotionSettings, motion_masks
from pack.models.layers.motion_report import motion_report
from pack.models.layers.moving_subjects import keep_largest
from pack.models.layers.still_scene import still_scene
from pack.models.stage import render, sample_scene

FRAMES, SIZE = 24, 96


def stage(seed=19, camera="still"):
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 8}
    return render(sample_scene(seed, camera=camera, action="walk", objects=0, **size))


@pytest.fixture(scope="module")
def clip():
    return stage()


def filmed(images, noise=0.0, exposure=1.0, seed=0):
    """Pictures in 8 bits with the noise of a sensor; the second half is exposed differently."""
    images = images.clone()
    images[len(images) // 2 :] *= exposure
    images += noise * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images.clamp(0, 1) * 255).round() / 255


def found(images, **settings):
    scene = still_scene(images)
    return motion_masks(images, scene, MotionSettings(**({"grow_mask": 0} | settings))), scene


def iou(one, other):
    one, other = one > 0.5, other > 0.5
    return ((one & other).sum() / (one | other).sum().clamp_min(1)).item()


def wall(height=72, width=128, seed=3):
    """A still picture (H, W, 3) with soft blotches."""
    small = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic")
    return (0.2 + 0.5 * large[0].movedim(0, -1)).clamp(0, 1)


def squares(frames=20, second=False):
    """A square that crosses the wall, and its mask; a second one moves to and fro in a corner."""
    images, masks = wall().expand(frames, -1, -1, -1).clone(), torch.zeros(frames, 72, 128)
    for index in range(frames):
        left = 4 + 5 * index
        masks[index, 30:50, left : left + 16] = 1
        images[index, 30:50, left : left + 16] = torch.tensor([0.9, 0.85, 0.1])
        if second:
            images[index, 4:14, 4 + 6 * (index % 3) : 14 + 6 * (index % 3)] = torch.tensor([0.1, 0.9, 0.9])
    return images, masks


@pytest.mark.parametrize(
    ("noise", "exposure", "least"),
    [(0.0, 1.0, 0.9), (0.02, 1.0, 0.9), (0.02, 0.85, 0.85), (0.05, 1.1, 0.6)],
    ids=["clean", "noisy", "noisy, darker", "very noisy, brighter"],
)
def test_a_crossing_square_is_found_in_noise_and_changed_exposure(noise, exposure, least):
    images, truth = squares()
    masks, scene = found(filmed(images, noise, exposure))
    assert iou(masks, truth) > least
    assert (scene.picture - wall()).abs().mean() < 0.03 + abs(exposure - 1)
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    assert not [line for line in motion_report(images, scene, masks) if "camera" in line or "place" in line]


def test_the_scene_keeps_the_exposure_of_a_frame():
    images, _ = squares()
    _, scene = found(filmed(images, exposure=0.8))
    assert min((scene.picture - gain * wall()).abs().mean() for gain in (1.0, 0.8)) < 0.01


def test_only_the_largest_subject_is_kept():
    images, truth = squares(second=True)
    every, one = found(filmed(images, 0.01))[0], found(filmed(images, 0.01), largest_only=True)[0]
    assert iou(one, truth) > 0.85 and every[:, :20, :30].any() and not one[:, :20, :30].any()
    empty = torch.zeros(3, 8, 8)
    keep_largest(empty)
    assert not empty.any()


def test_specks_go_and_the_mask_grows_and_shrinks():
    images, truth = squares()
    for index in range(len(images)):  # one pixel that lights up somewhere else in each frame
        images[index, 5 + index, (37 * index) % 120 : (37 * index) % 120 + 2] = 1.0
    masks = found(images, min_size=0.002)[0]
    assert iou(masks, truth) > 0.85 and not masks[:, 55:].any()
    larger, smaller = found(images, grow_mask=3)[0], found(images, grow_mask=-3)[0]
    assert smaller.sum() < masks.sum() < larger.sum()


def test_sensitivity_is_how_small_a_difference_counts():
    images, truth = squares()
    faint = filmed(torch.lerp(wall().expand_as(images), images, 0.06), 0.01)
    low, high = (found(faint, sensitivity=value)[0] for value in (0.1, 0.8))
    assert iou(low, truth) < 0.3 and iou(high, truth) > 0.6


def test_a_walk_on_the_stage(clip):
    for noise, exposure in ((0.0, 1.0), (0.01, 0.9)):
        masks, scene = found(filmed(clip.rgb, noise, exposure))
        assert iou(masks, clip.person_mask) > 0.6
    assert 0.01 < masks.mean() < 0.3 and scene.picture.shape == (SIZE, SIZE, 3)


def test_the_report_warns_of_what_a_still_camera_s_median_cannot_do(clip):

    def report(images):
        masks, scene = found(images)
        return " ".join(motion_report(images, scene, masks))

    assert "The camera moves by up to" in report(stage(camera="sway").rgb)
    assert "The camera" not in report(clip.rgb)
    images, _ = squares()
    assert "hardly leaves its place" in report(images[[18] * 9 + list(range(11))])
    assert "4 frames are few" in report(images[::5])
    assert "The mask is empty" in report(wall().expand(9, -1, -1, -1))
