"""The stand-in generator of bench swap_director, and its figures."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


load("_pack")
stand_in = load("_stand_in")
bench = load("swap_director")


@pytest.fixture(scope="module")
def clip():
    return stand_in.stage(3, 6, 96)


def test_a_character_of_scale_one_is_the_true_re_render(clip):
    assert torch.allclose(stand_in.scaled(clip.character, 1.0), clip.character, atol=1e-4)
    free = (clip.character[..., 3] == 0) & (clip.true_occluder == 0)
    picture = stand_in.generated(clip, clip.character)
    assert (picture - clip.scene)[free].abs().mean() < 0.02


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_a_scaled_character_keeps_the_feet(clip, scale):
    tall, own = stand_in.scaled(clip.character, scale)[..., 3], clip.character[..., 3]
    assert torch.allclose(stand_in.heights(tall) / stand_in.heights(own), torch.full((6,), scale), atol=0.03)
    feet = lambda masks: torch.tensor([int((mask > 0.5).any(1).nonzero()[-1]) for mask in masks])
    assert (feet(tall) - feet(own)).abs().max() <= 1


def test_colours_drift_from_chunk_to_chunk_and_along_it():
    grey = torch.full((5, 4, 4, 3), 0.5)
    one, other = stand_in.drift(grey, 0, 7), stand_in.drift(grey, 1, 7)
    assert not torch.allclose(one[0], other[0], atol=0.01) and not torch.allclose(one[0], one[-1], atol=0.003)
    assert torch.equal(one, stand_in.drift(grey, 0, 7))


def test_a_user_s_masks_and_keypoints_are_not_the_truth(clip):
    assert 0 < ((clip.person_mask > 0.5) != (clip.true_person > 0.5)).float().mean() < 0.03
    flat = torch.tensor(clip.keypoints[0]["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)
    assert set(flat[:, 2].tolist()) <= {0.9, 0.1} or flat[:, 2].max() <= 0.91


def test_a_perfect_swap_has_no_error(clip):
    """The true re-render in the clip's own picture, boxes that hold everything."""
    crop = bench.crop_of(clip, True)
    person = clip.character[..., 3] * (1 - clip.true_occluder)
    scene = clip.images * (1 - person[..., None]) + clip.character[..., :3] * (1 - clip.true_occluder)[..., None]
    found = bench.measure(clip, clip.character, crop, scene, person)
    assert found["seam"] == 0 and found["color"] < 0.01 and found["occluder"] > 0.97 and found["chunk step"] < 0.05
    assert "| way |" in bench.table([{"way": "this", **found}])
