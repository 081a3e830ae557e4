"""The filled scene against the stage's empty room."""

from dataclasses import replace

import pytest
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.evaluate.metrics import psnr
from pack.models.layers.camera import camera_motion
from pack.models.layers.decompose import decompose
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.inpaint import inpaint
from pack.models.layers.scene_frames import SceneFrames
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import Nuisances, add_nuisances, exposure_gains

FRAMES, SIZE = 10, 96


def clip_and_layers(seed, camera, objects=1):
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 6}
    clip = render(sample_scene(seed, camera=camera, action="walk", objects=objects, **size))
    layers = decompose(clip.rgb, clip.person_mask, 1 / clip.depth, DEPTH_TYPES[0], clip.layers[1:, ..., 3])
    return clip, layers


@pytest.mark.parametrize("camera", ["still", "sway", "dolly"])
def test_other_frames_beat_inpainting_by_three_decibels(camera):
    clip, layers = clip_and_layers(9104, camera)
    filled, confidence = fill_scene(layers, FillSettings(grow_mask=2))
    source, hole = SceneFrames(layers, 2), clip.scene_mask < 0.98
    plain = torch.stack([inpaint(source.frame(i), source.hole(i), None)[..., :3] for i in range(FRAMES)])
    ours, theirs = (psnr(scene[hole], clip.scene_images[hole]) for scene in (filled.scene, plain))
    assert ours > theirs + 3, (ours, theirs)
    holes = torch.stack([source.hole(i) for i in range(FRAMES)])
    assert torch.equal(filled.scene[~holes], clip.rgb[~holes]), "what is visible stays bit for bit"
    assert (confidence[~holes] == 1).all() and (confidence[holes] < 1).all()
    error = (filled.scene_depth - 1 / clip.scene_depth).abs()
    assert error[hole].mean() < 0.1 * (1 / clip.scene_depth).std()


def test_depth_that_jumps_from_frame_to_frame_is_filled_with_matching_depth():
    clip, layers = clip_and_layers(9104, "still")
    jump = 0.05 * torch.randn(FRAMES, 1, 1, generator=torch.Generator().manual_seed(2))
    layers = decompose(clip.rgb, clip.person_mask, 1 / clip.depth + jump, DEPTH_TYPES[0], clip.layers[1:, ..., 3])
    filled, _ = fill_scene(layers, FillSettings(grow_mask=2))
    error = (filled.scene_depth - 1 / clip.scene_depth - jump).abs()[clip.scene_mask < 0.98]
    assert error.mean() < 0.005 < jump.std()


def test_what_no_frame_shows_comes_from_the_fill_image():
    clip, layers = clip_and_layers(9104, "still")
    layers = decompose(
        clip.rgb[:1], clip.person_mask[:1], 1 / clip.depth[:1], DEPTH_TYPES[0], clip.layers[1:, :1, ..., 3]
    )
    filled, confidence = fill_scene(layers, FillSettings(inpainted_scene=clip.scene_images[:1], grow_mask=2))
    hole = SceneFrames(layers, 2).hole(0)
    assert torch.allclose(filled.scene, clip.scene_images[:1], atol=1e-6) and (confidence[0][hole] == 0).all()
    guess, _ = fill_scene(layers, FillSettings(grow_mask=2))
    assert torch.isfinite(guess.scene).all() and not torch.allclose(guess.scene, clip.scene_images[:1], atol=0.02)


def test_without_other_frames_only_the_fill_image_or_a_guess_is_used():
    clip, layers = clip_and_layers(9104, "still")
    filled, confidence = fill_scene(
        layers, FillSettings(use_other_frames=False, inpainted_scene=clip.scene_images, grow_mask=2)
    )
    assert psnr(filled.scene, clip.scene_images) > 60 and set(confidence.unique().tolist()) == {0.0, 1.0}


def test_a_picture_hidden_from_edge_to_edge_is_still_filled():
    _, layers = clip_and_layers(9104, "still", objects=0)
    full = decompose(layers.images, torch.ones(1, SIZE, SIZE), layers.depth, DEPTH_TYPES[0])
    filled, confidence = fill_scene(full, FillSettings())
    assert torch.isfinite(filled.scene).all() and torch.isfinite(filled.scene_depth).all() and (confidence == 0).all()


def test_the_camera_follows_points_of_the_scene():
    """A shifted crop of one picture is a camera that moved by that shift, however the masked part moves."""
    draw = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(draw, size=(120, 160), mode="bicubic")[0, 0].clamp(0, 1)
    picture = (wide * 255).byte().numpy()
    start, end = picture[5:95, 5:125].copy(), picture[8:98, 11:131].copy()
    allowed = torch.ones(90, 120, dtype=torch.bool).numpy()
    allowed[30:60, 30:60] = False
    end[30:60, 30:60] = start[30:60, 30:60]
    matrix = camera_motion(start, end, allowed, ~allowed)
    assert abs(matrix[0, 2] + 6) < 0.1 and abs(matrix[1, 2] + 3) < 0.1
    assert camera_motion(start * 0, end * 0, allowed) is None


def test_a_clip_that_moves_and_has_no_person_is_left_alone():
    clip, _ = clip_and_layers(9104, "sway", objects=0)
    layers = decompose(clip.rgb, torch.zeros(1, SIZE, SIZE), 1 / clip.depth, DEPTH_TYPES[0])
    filled, confidence = fill_scene(layers, FillSettings())
    assert torch.equal(filled.scene, clip.rgb) and (confidence == 1).all()


NUISANCES = {
    "exposure step": Nuisances(exposure=0.3),
    "exposure ramp": Nuisances(exposure=0.3, exposure_kind="ramp"),
    "noise and light": Nuisances(noise=0.02, exposure=0.25),
    "shake": Nuisances(shake=0.6),
}


@pytest.mark.parametrize(
    ("name", "least"), [("exposure step", 60), ("exposure ramp", 60), ("noise and light", 35), ("shake", 42)]
)
def test_the_scene_of_a_tripod_has_the_light_and_the_place_of_each_frame(name, least):
    """The same light and shift on the empty room is what each frame would show without the person."""
    clip, _ = clip_and_layers(9104, "still", objects=0)
    images = add_nuisances(clip.rgb, NUISANCES[name], 3)
    truth = add_nuisances(clip.scene_images, replace(NUISANCES[name], noise=0), 3)
    layers = decompose(images, clip.person_mask, None, DEPTH_TYPES[0])
    filled, confidence = fill_scene(layers, FillSettings(grow_mask=2))
    hole = (clip.scene_mask < 0.98) & (confidence > 0)
    assert psnr(filled.scene[hole], truth[hole]) > least


@pytest.mark.parametrize("camera", ["sway", "dolly"])
def test_the_light_of_each_frame_under_a_camera_that_moves(camera):
    clip, _ = clip_and_layers(9104, camera, objects=0)
    light = Nuisances(exposure=0.3)
    images, truth = add_nuisances(clip.rgb, light, 3), add_nuisances(clip.scene_images, light, 3)
    hole, dark = clip.scene_mask < 0.98, exposure_gains(FRAMES, light, 3) < 1
    found = {}
    for name, pictures, expected in (("even", clip.rgb, clip.scene_images), ("step", images, truth)):
        layers = decompose(pictures, clip.person_mask, None, DEPTH_TYPES[0])
        found[name] = psnr(fill_scene(layers, FillSettings(grow_mask=2))[0].scene[hole], expected[hole])
    assert dark.any() and not dark.all()
    assert found["step"] > found["even"] - 2.5, found


def test_the_confidence_counts_frames_and_a_guess_has_none():
    clip, layers = clip_and_layers(9104, "still", objects=0)
    always = torch.zeros(FRAMES, SIZE, SIZE)
    always[:, 40:56, 10:20] = 1  # hidden in every frame
    layers = decompose(clip.rgb, torch.maximum(clip.person_mask, always), None, DEPTH_TYPES[0])
    _, confidence = fill_scene(layers, FillSettings(grow_mask=0))
    assert (confidence[:, 40:56, 10:20] == 0).all()
    person = (clip.person_mask > 0.5) & (always == 0)
    assert confidence[person].max() <= FRAMES / (FRAMES + 1)
