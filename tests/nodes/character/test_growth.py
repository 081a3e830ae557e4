"""Load Video Model's adapters for a character: at birth the picture model, with every input of a character model."""

from dataclasses import replace

import pytest
import torch
from pack.models.files import open_character, save_model
from pack.models.unet.config import SD1, TINY
from pack.models.unet.switches import with_switches
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from pack.nodes.host.unet.model import weights_of
from pack.nodes.unet.loaders import ADDED_LAYERS, open_video_model, with_layers
from tiny.model import conditioning, gap, ksampler, latent, noise, tiny_weights

FRAMES = 3


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    picture = replace(SD1, **{name: value for name, value in TINY.items() if name != "cross_modal_width"})
    return save_model(tmp_path_factory.mktemp("models") / "picture.safetensors", tiny_weights(picture), picture)


def conds(**more):
    """Scene, occluder and body for both halves, and the character of the positive."""
    both = {LAYERS: noise((FRAMES, 8, 8, 8), 3), BODY: (torch.rand(FRAMES, 3, 64, 64),)}
    return conditioning(1, tokens=1, **both, **more), conditioning(2, tokens=1, **both)


def test_it_makes_the_pictures_of_the_picture_model_until_it_is_trained(file, tmp_path):
    flat, _ = open_video_model(str(file))
    grown, report = open_video_model(str(file), "character")
    video = grown.model.video
    assert (video.layer_codes, video.reference, video.prediction) == (2, True, flat.model.video.prediction)
    assert "Layers for character were added" in report and "already has an effect" in report
    plain = ksampler(flat, *(conditioning(seed, tokens=1) for seed in (1, 2)), latent(FRAMES), cfg=0.0)
    who = {REFERENCE: noise((1, 4, 8, 8), 5)}
    assert gap(ksampler(grown, *conds(**who), latent(FRAMES), cfg=0.0), plain) < 1e-5, "the half without a character"
    one, other = (ksampler(grown, *conds(**{REFERENCE: noise((1, 4, 8, 8), s)}), latent(FRAMES)) for s in (5, 6))
    assert gap(one, other) > 1e-3, "a copy of the network reads the reference"

    config, state = weights_of(grown)
    again, weights, _ = open_character(save_model(tmp_path / "grown.safetensors", state, config))
    assert again == config and weights.keys() == state.keys()
    moving = with_switches(config, **ADDED_LAYERS["motion"])
    with pytest.raises(ValueError, match="already holds a video model"):
        with_layers(moving, state, "character")


def test_a_model_that_reads_more_than_noise_is_refused(file):
    depth = replace(SD1, in_channels=5)
    with pytest.raises(
        ValueError, match="already reads 5 channels: choose a Stable Diffusion model for pictures, with 4"
    ):
        with_layers(depth, {}, "character")
