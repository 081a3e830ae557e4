"""The completed scene against the stage's empty room."""

import pytest
import torch
from pack.models.evaluate.metrics import psnr
from pack.models.layers.camera import motion_between
from pack.models.layers.complete import Fill, complete_scene
from pack.models.layers.decompose import decompose
from pack.models.layers.guess import guessed
from pack.models.layers.hidden import Source
from pack.models.stage import render, sample_scene

FRAMES, SIZE = 10, 96


def clip_and_layers(seed, camera, objects=1):
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 6}
    clip = render(sample_scene(seed, camera=camera, action="walk", objects=objects, **size))
    layers = decompose(clip.rgb, clip.person_mask, 1 / clip.depth, "near is white", clip.layers[1:, ..., 3])
    return clip, layers


@pytest.mark.parametrize("camera", ["still", "sway", "dolly"])
def test_other_frames_beat_inpainting_by_three_decibels(camera):
    clip, layers = clip_and_layers(9104, camera)
    filled, sure = complete_scene(layers, Fill(grow=2))
    source, hole = Source(layers, 2), clip.scene_mask < 0.98
    plain = torch.stack([guessed(source.frame(i), source.hole(i), None)[..., :3] for i in range(FRAMES)])
    ours, theirs = (psnr(scene[hole], clip.scene_images[hole]) for scene in (filled.scene, plain))
    assert ours > theirs + 3, (ours, theirs)
    holes = torch.stack([source.hole(i) for i in range(FRAMES)])
    assert torch.equal(filled.scene[~holes], clip.rgb[~holes]), "what is seen stays bit for bit"
    assert (sure[~holes] == 1).all() and (sure[holes] < 1).all()
    error = (filled.scene_depth - 1 / clip.scene_depth).abs()
    assert error[hole].mean() < 0.1 * (1 / clip.scene_depth).std()


def test_depth_that_jumps_from_frame_to_frame_is_filled_in_tune():
    clip, layers = clip_and_layers(9104, "still")
    jump = 0.05 * torch.randn(FRAMES, 1, 1, generator=torch.Generator().manual_seed(2))
    layers = decompose(clip.rgb, clip.person_mask, 1 / clip.depth + jump, "near is white", clip.layers[1:, ..., 3])
    filled, _ = complete_scene(layers, Fill(grow=2))
    error = (filled.scene_depth - 1 / clip.scene_depth - jump).abs()[clip.scene_mask < 0.98]
    assert error.mean() < 0.005 < jump.std()


def test_what_no_frame_shows_comes_from_the_plate():
    clip, layers = clip_and_layers(9104, "still")
    layers = decompose(
        clip.rgb[:1], clip.person_mask[:1], 1 / clip.depth[:1], "near is white", clip.layers[1:, :1, ..., 3]
    )
    filled, sure = complete_scene(layers, Fill(plate=clip.scene_images[:1], grow=2))
    hole = Source(layers, 2).hole(0)
    assert torch.allclose(filled.scene, clip.scene_images[:1], atol=1e-6) and (sure[0][hole] == 0).all()
    guess, _ = complete_scene(layers, Fill(grow=2))
    assert torch.isfinite(guess.scene).all() and not torch.allclose(guess.scene, clip.scene_images[:1], atol=0.02)


def test_without_other_frames_only_the_plate_or_a_guess_is_used():
    clip, layers = clip_and_layers(9104, "still")
    filled, sure = complete_scene(layers, Fill(other_frames=False, plate=clip.scene_images, grow=2))
    assert psnr(filled.scene, clip.scene_images) > 60 and set(sure.unique().tolist()) == {0.0, 1.0}


def test_a_picture_hidden_from_edge_to_edge_is_still_filled():
    _, layers = clip_and_layers(9104, "still", objects=0)
    full = decompose(layers.images, torch.ones(1, SIZE, SIZE), layers.depth, "near is white")
    filled, sure = complete_scene(full, Fill())
    assert torch.isfinite(filled.scene).all() and torch.isfinite(filled.scene_depth).all() and (sure == 0).all()


def test_the_camera_is_told_by_points_in_the_scene():
    """A shifted crop of one picture is a camera that moved by that shift, however the masked part moves."""
    draw = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(draw, size=(120, 160), mode="bicubic")[0, 0].clamp(0, 1)
    picture = (wide * 255).byte().numpy()
    start, end = picture[5:95, 5:125].copy(), picture[8:98, 11:131].copy()
    allowed = torch.ones(90, 120, dtype=torch.bool).numpy()
    allowed[30:60, 30:60] = False
    end[30:60, 30:60] = start[30:60, 30:60]
    matrix = motion_between(start, end, allowed, ~allowed)
    assert abs(matrix[0, 2] + 6) < 0.1 and abs(matrix[1, 2] + 3) < 0.1
    assert motion_between(start * 0, end * 0, allowed) is None


def test_a_clip_that_moves_and_nobody_hides_is_left_alone():
    clip, _ = clip_and_layers(9104, "sway", objects=0)
    layers = decompose(clip.rgb, torch.zeros(1, SIZE, SIZE), 1 / clip.depth, "near is white")
    filled, sure = complete_scene(layers, Fill())
    assert torch.equal(filled.scene, clip.rgb) and (sure == 1).all()
