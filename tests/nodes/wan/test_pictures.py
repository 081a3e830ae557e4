"""The network that is trained is the one that samples; a pair on the latents of an image VAE is sampled frame by frame."""

import dataclasses

import pytest
import torch
from pack.models.wan.files import PICTURES, PairNotes, open_wan_pair, save_wan_pair
from pack.models.wan.network import PairNetwork, PairShape
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.wan.loaders import open_pair
from tiny.wan import SHAPE, drawn

WORDS = ("a", "person", "dances")
SMALL = SHAPE | {"in_dim": 4, "out_dim": 4, "patch_size": (2, 2, 2), "modalities": ("depth", "skeleton")}


def trained(**shape) -> PairNetwork:
    """The network of training with random weights."""
    network = PairNetwork(PairShape(**SMALL | shape)).eval()
    network.load_state_dict(drawn(network))
    return network


def random(*shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_its_shape_without_arguments_is_that_of_the_released_file():
    shape = dataclasses.asdict(PairShape())
    assert (shape["dim"], shape["num_layers"], shape["in_dim"], shape["text_dim"]) == (3072, 30, 48, 4096)


@pytest.mark.parametrize("patch", [(1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("modality", ["depth", "skeleton"])
@torch.no_grad()
def test_training_and_sampling_compute_the_same(patch, modality):
    network = trained(patch_size=patch)
    host = native_wan_pair(dataclasses.asdict(network.shape), network.state_dict(), dtype=torch.float32)
    latents, text = random(4, 4, 6, 8, 4), random(4, 7, 24, seed=1)
    time = torch.tensor([700.0, 30.0])
    options = {"cond_or_uncond": [0, 1], "sample_sigmas": torch.ones(1)}
    ours = network(latents, time, text, modality)
    theirs = host.model.diffusion_model(
        latents, time.repeat_interleave(2), text, transformer_options=options, modality=modality
    )
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_added_parts_start_as_copies_of_the_video_and_change_nothing():
    network = trained()
    network.start_added()
    latents, text = random(2, 4, 4, 8, 4), random(1, 7, 24, seed=1).repeat(2, 1, 1)
    with torch.no_grad():
        out = network(latents, torch.tensor([500.0]), text, "depth")
        swapped = network(latents, torch.tensor([500.0]), text, None)
    torch.testing.assert_close(out, swapped)


def saved(tmp_path, network):
    notes = PairNotes(num_heads=network.shape.num_heads, latents=PICTURES, words=WORDS)
    return save_wan_pair(tmp_path / "pair.safetensors", network.state_dict(), notes)


def test_its_file_says_what_the_shapes_do_not(tmp_path):
    network = trained(text_dim=9)
    opened = open_wan_pair(saved(tmp_path, network))
    assert opened.shape == network.shape
    assert opened.notes == PairNotes(num_heads=4, latents=PICTURES, words=WORDS)
    assert "frame by frame" in opened.report.text and "3 words" in opened.report.text


@torch.no_grad()
def test_frames_are_sampled_as_one_clip(tmp_path):
    """One step of euler from 1 to 0 takes the answer once, so that the result tells it."""
    import comfy.sample

    network = trained(text_dim=9)
    model, _ = open_pair(str(saved(tmp_path, network)))
    noise, text = random(12, 4, 8, 8), random(2, 5, 9, seed=1)
    conds = [[[text, {SHOWN: "depth"}]], [[text * 0.5, {SHOWN: "depth"}]]]
    out = comfy.sample.sample(
        model, noise, 1, 3.0, "euler", "simple", *conds, torch.zeros_like(noise), seed=0, disable_pbar=True
    )
    clips = noise.unflatten(0, (2, 6)).transpose(1, 2)
    answers = [network(clips, torch.tensor([1000.0]), part, "depth") for part in (text, text * 0.5)]
    expected = clips - (answers[1] + 3.0 * (answers[0] - answers[1]))
    expected = model.model.process_latent_out(expected.transpose(1, 2).flatten(0, 1))
    assert (out - expected).abs().max() < 1e-4 * expected.abs().max()
