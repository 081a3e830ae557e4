"""The shipped model of words: exact inversion reproduces a clip, and its words and its depth count."""

from pathlib import Path

import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy_extras.nodes_custom_sampler import FlipSigmas
from pack.models.depth.range import normalize_clip
from pack.models.stage import render, sample_scene
from pack.models.stage.caption import VOCABULARY
from pack.models.unet.words import word_tokens
from pack.nodes.host.oneshot.conditioning import with_depth
from pack.nodes.host.oneshot.inversion import inversion_sampler, sample
from pack.nodes.unet.loaders import open_video_model
from tiny.model import gap

WEIGHTS = Path(__file__).resolve().parents[3] / "weights"
FILE = WEIGHTS / "diffusion_models" / "duet_words_128.safetensors"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the model of words is not there")
HARDEST = 8  # of 50 steps: the first of them, where a level is several times the one below


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    return open_video_model(str(FILE))[0]


@pytest.fixture(scope="module")
def clip():
    """One frame of a clip that was not trained on: latents (1, 4, 16, 16), depth, caption."""
    rendered = render(sample_scene(3, frames=1, height=128, width=128, objects=0))
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(WEIGHTS / "vae" / "duet_vae_128.safetensors")))
    with torch.no_grad():
        latent = {"samples": vae.encode(rendered.rgb)}
    return latent, normalize_clip(rendered.depth, depth_type="distance", depth_scale="inverse")[0], rendered.caption


def conditioning(words, depth):
    return with_depth([[word_tokens(words, VOCABULARY)[None], {}]], depth, "per clip")


def levels(model, steps=50):
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "ddim_uniform", steps).cpu()


def test_it_is_small_and_has_the_stages_words(model):
    assert FILE.stat().st_size <= 8 * 2**20
    assert model.model.video.words == VOCABULARY


def test_five_evaluations_a_step_on_average_bring_a_clip_back_where_flipped_sigmas_do_not(model, clip):
    latent, depth, caption = clip
    sigmas, euler = levels(model)[-HARDEST - 1 :], comfy.samplers.sampler_object("euler")
    positive = conditioning(caption, depth)
    samplers = {"exact": (inversion_sampler(5), sigmas), "flip": (euler, FlipSigmas.execute(sigmas).result[0])}
    errors = {}
    for name, (sampler, rising) in samplers.items():
        noise = sample(model, positive, sampler, rising, latent)
        errors[name] = gap(sample(model, positive, euler, sigmas, noise)["samples"], latent["samples"])
    print({name: f"{value:.1e}" for name, value in errors.items()})
    assert errors["exact"] < 1e-4 and errors["flip"] > 100 * errors["exact"]


def test_right_words_and_right_depth_clean_better_than_wrong_ones(model, clip):
    """One answer to the frame in much noise of four kinds: with other words or another depth the error is larger."""
    latent, depth, caption = clip
    sigma, clean = levels(model)[0], latent["samples"].repeat(4, 1, 1, 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) / 0.18215
    noisy = {"samples": clean + sigma * noise}
    euler, once = comfy.samplers.sampler_object("euler"), torch.stack((sigma, torch.zeros(())))

    def off(words, depth):
        out = sample(model, conditioning(words, depth), euler, once, noisy)["samples"]
        return (out - clean).square().mean().sqrt().item()

    right = off(caption, depth)
    other = describe_otherwise(caption)
    wrong_words, wrong_depth = off(other, depth), off(caption, depth.flip(1))
    print(right, wrong_words, wrong_depth)
    assert other != caption and right < 0.95 * wrong_words and right < 0.98 * wrong_depth


def describe_otherwise(caption: str) -> str:
    """The sentence with its walls in another colour."""
    words = caption.split()
    place = words.index("room") - 1
    colour = next(i for i in range(place, 0, -1) if words[i] in ("a", "an")) + 1
    words[colour] = "blue" if words[colour] != "blue" else "yellow"
    return " ".join(words)
