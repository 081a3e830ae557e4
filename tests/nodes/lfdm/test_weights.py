"""The shipped flow model: a picture of a person outside of its training data moves by its prompt, on the host's own sampler."""

from pathlib import Path

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from pack.models.choices import ACTIONS
from pack.models.evaluate.flow import nearest_class, pixel_offsets, signature
from pack.models.lfdm.inference import AutoencoderInference
from pack.models.lfdm.labels import open_flow_model
from pack.models.lfdm.state import identity_grid, motion_of
from pack.models.stage import render, sample_scene
from pack.models.stage.motion import StageMotion
from pack.nodes.host.lfdm.model import native_flow_model, text_conditioning, with_still
from pack.nodes.host.lfdm.sampling import THRESHOLD, apply_threshold
from tiny.model import without_threshold

import nodes as host

pytestmark = pytest.mark.long(seconds=25)

FOLDER = Path(__file__).resolve().parents[3] / "weights" / "flow_models"
MODEL, AUTOENCODER = FOLDER / "duet_flow_64.safetensors", FOLDER / "duet_flow_codec_64.safetensors"
FRAMES, SIZE, EACH = 12, 64, 2


def scene(seed: int, action: str):
    """A clip of a person below the seeds of training."""
    return sample_scene(seed, frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8.0, objects=0, action=action)


def pictures(action: str) -> torch.Tensor:
    """(N, 3, H, W) first frames of several people who are about to act."""
    frames = [render(scene(100 + seed, action)).rgb[0] for seed in range(EACH)]
    return torch.stack(frames).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def model():
    config, state, _, labels = open_flow_model(MODEL)
    return native_flow_model(config, state, labels=labels)


@pytest.fixture(scope="module")
def features_of() -> dict[str, torch.Tensor]:
    """The autoencoder's features of the pictures of each action."""
    autoencoder = AutoencoderInference.from_file(AUTOENCODER)
    return {action: autoencoder.encode(pictures(action)).features for action in ACTIONS}


def sampled(model, features_of, action: str, sampler: str = "euler_ancestral") -> torch.Tensor:
    """States (N, 3, F, h, w): 20 steps, cfg 1.5, as in picture_to_motion."""
    features = features_of[action]
    text = model.model.labels.vector(action)
    positive, negative = (with_still(text_conditioning(one), features) for one in (text, torch.zeros_like(text)))
    empty = {"samples": torch.zeros(EACH, 3, FRAMES, SIZE // 4, SIZE // 4)}
    return host.common_ksampler(model, 5, 20, 1.5, sampler, "simple", positive, negative, empty)[0]["samples"].float()


@pytest.fixture(scope="module")
def states_by_action(model, features_of) -> dict[str, torch.Tensor]:
    """States by the action that was asked for."""
    return {action: sampled(model, features_of, action) for action in ACTIONS}


def pixels_away(states: torch.Tensor) -> torch.Tensor:
    """(N, F, h, w): how far every point is from its own place."""
    return (states[:, :2] - identity_grid(states)).norm(dim=1) * SIZE / 2


def test_the_files_are_small_and_have_the_stages_actions_as_labels():
    assert MODEL.stat().st_size + AUTOENCODER.stat().st_size <= 8 * 2**20
    assert open_flow_model(MODEL)[3].names == ACTIONS


def test_people_move_by_their_prompt(states_by_action):
    """Named by the nearest true flow of others; a guess would be right in one of eight."""
    known, classes = [], []
    for number, action in enumerate(action for action in ACTIONS for _ in range(8)):
        known.append(signature(StageMotion.of(scene(500 + number, action)).to_first()[0]))
        classes.append(action)
    hits = 0
    for action, states in states_by_action.items():
        grids = motion_of(states)[0]
        signs = torch.stack([signature(pixel_offsets(grid, (SIZE, SIZE))) for grid in grids])
        hits += sum(name == action for name in nearest_class(signs, torch.stack(known), classes))
    print(f"{hits} of {EACH * len(ACTIONS)}")
    assert hits >= 0.85 * EACH * len(ACTIONS)


def test_the_room_stands_still(states_by_action):
    states = torch.cat(list(states_by_action.values()))
    away = pixels_away(states)
    corners = away[:, :, :3, [0, -1]]
    print(f"corners {corners.mean():.4f} px, farthest {away.max():.1f} px")
    assert torch.isfinite(states).all() and corners.mean() < 0.05 and away.max() > 4


def test_without_the_threshold_the_same_run_diverges(model, features_of):
    """The loader installs it, and this model needs it: it predicts noise, as the released ones do."""
    assert model.get_wrappers(WrappersMP.PREDICT_NOISE, THRESHOLD) == [apply_threshold]
    held, loose = (pixels_away(sampled(one, features_of, "walk", "euler")) for one in (model, without_threshold(model)))
    assert held.max() <= SIZE and loose.mean() > 10 * SIZE, (held.max(), loose.mean())


@pytest.mark.parametrize(
    "sampler, most",
    [("heun", 1.5), ("dpm_2", 1.5), ("dpm_2_ancestral", 1.5), ("dpmpp_2m_cfg_pp", 4), ("res_multistep_cfg_pp", 2.5)],
)
def test_samplers_that_fail_on_infinite_noise_sample_the_same_people(model, features_of, sampler, most):
    """In these the error of the first step, from noise of 64,166, once became the motion of the whole clip."""
    away = pixels_away(sampled(model, features_of, "walk", sampler))
    print(f"{away.mean():.2f} px, corners {away[:, :, :3, [0, -1]].mean():.3f} px")
    assert away.mean() < most and away[:, :, :3, [0, -1]].mean() < 0.3
