"""Which camera stands: rendered clips and walls with what real footage adds, whose every shift is known."""

import numpy as np
import pytest
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.layers.decompose import decompose
from pack.models.layers.scene_frames import SceneFrames
from pack.models.layers.standing import standing_offsets
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import Nuisances, add_nuisances, camera_shifts

FRAMES, SIZE = 24, 128
TRIPODS = {
    "noise": Nuisances(noise=0.04),
    "exposure": Nuisances(exposure=0.35),
    "slow exposure": Nuisances(exposure=0.35, exposure_kind="ramp"),
    "shake": Nuisances(shake=0.5),
    "shadow": Nuisances(shadow=0.5),
    "leaves": Nuisances(leaves=0.25),
    "all": Nuisances(noise=0.02, exposure=0.25, shake=0.5, shadow=0.4, leaves=0.15),
}


@pytest.fixture(scope="module")
def clips():
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 12}
    return {
        camera: render(sample_scene(9104, camera=camera, action="walk", objects=0, **size))
        for camera in ("still", "sway")
    }


def filmed(clip, nuisances, seed=5):
    images = add_nuisances(clip.rgb, nuisances, seed, clip.person_mask, clip.scene_mask)
    return SceneFrames(decompose(images, clip.person_mask, None, DEPTH_TYPES[0]), 2)


def panned(step, nuisances=None, frames=FRAMES):
    """A wall in front of a camera that pans by some pixels in each frame."""
    draw = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(draw, size=(120, 160), mode="bicubic").clamp(0, 1)
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 120, 160), align_corners=True)
    move = lambda x: torch.nn.functional.grid_sample(wide, grid + torch.tensor([2 * x / 159, 0.0]), align_corners=True)
    images = torch.cat([move(step * index) for index in range(frames)]).movedim(1, -1)
    images = images if nuisances is None else add_nuisances(images, nuisances, 5)
    return SceneFrames(decompose(images, torch.zeros(1, 120, 160), None, DEPTH_TYPES[0]), 2)


@pytest.mark.parametrize("name", TRIPODS)
def test_a_tripod_stands_in_noise_changing_light_wind_and_shake(clips, name):
    offsets = standing_offsets(filmed(clips["still"], TRIPODS[name]))
    assert offsets is not None
    shifts = camera_shifts(FRAMES, TRIPODS[name], 5).numpy()
    expected = shifts - shifts[FRAMES // 2]
    assert np.abs(offsets - expected).max() < 0.4, "each frame is known to be where it is"


@pytest.mark.parametrize("nuisances", [Nuisances(), Nuisances(noise=0.02, exposure=0.25, shadow=0.4, shake=0.5)])
def test_a_camera_that_moves_does_not_stand(clips, nuisances):
    assert standing_offsets(filmed(clips["sway"], nuisances)) is None


@pytest.mark.parametrize("step", [0.1, 0.3, 2.0, 15.0])
@pytest.mark.parametrize("nuisances", [None, Nuisances(noise=0.02, exposure=0.25)], ids=["clean", "noise and light"])
def test_a_pan_never_stands(step, nuisances):
    assert standing_offsets(panned(step, nuisances)) is None


def test_a_clip_of_one_frame_and_one_without_a_corner_stand():
    assert standing_offsets(panned(0, frames=1)).tolist() == [[0, 0]]
    grey = torch.full((6, 64, 64, 3), 0.5)
    assert not standing_offsets(SceneFrames(decompose(grey, torch.zeros(1, 64, 64), None, DEPTH_TYPES[0]), 2)).any()


def test_a_cut_does_not_stand(clips):
    both = torch.cat((clips["still"].rgb[:12], clips["still"].rgb[12:].flip(2)))
    assert standing_offsets(SceneFrames(decompose(both, torch.zeros(1, SIZE, SIZE), None, DEPTH_TYPES[0]), 2)) is None
