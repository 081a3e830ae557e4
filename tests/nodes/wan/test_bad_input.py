"""What a pair on Wan 2.2 cannot be sampled from is refused in a sentence, whichever sampler node is used."""

import logging

import pytest
import torch
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.pair.latent import EmptyLatent, JoinPair, SplitPair
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.sampler import ALL, DEPTH_FROM_VIDEO, TASKS, SampleLatent
from tiny.model import conditioning, noise, tiny_model
from tiny.wan import pair_state

import nodes

GOOD = (2, 48, 3, 4, 4)


@pytest.fixture(scope="module")
def wan():
    return native_wan_pair(*pair_state(), dtype=torch.float32, disable_dynamic=True)


@pytest.fixture(scope="module")
def unet():
    return tiny_model()


def by_stock(model, positive, negative, latent, task=ALL):
    return nodes.common_ksampler(model, 1, 2, 3.0, "euler", "simple", positive, negative, latent)[0]


def by_ours(model, positive, negative, latent, task=ALL):
    return SampleLatent.execute(model, positive, negative, latent, 1, task, 2, 3.0, "auto", "auto", 1.0).result[0]


SAMPLERS = pytest.mark.parametrize("sample", [by_stock, by_ours])


def prompt(shown="depth", streams=2, width=24):
    return [[noise((streams, 7, width), 3), {SHOWN: shown} if shown else {}]]


def samples(*shape):
    return {"samples": noise(shape, 1)}


def refused(says, sample, *args, **kwargs):
    with pytest.raises(ValueError, match=says) as caught:
        sample(*args, **kwargs)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and ": " in text, text


@SAMPLERS
def test_what_fits_is_sampled(wan, sample):
    assert sample(wan, prompt(), prompt(), samples(*GOOD))["samples"].shape == GOOD


LATENTS = {
    "pictures of another VAE": (samples(6, 4, 8, 8), r"got \(6, 4, 1, 8, 8\): use Empty Latent for Model"),
    "a pair of pictures of another VAE": (samples(2, 4, 8, 8), r"got \(2, 4, 1, 8, 8\): use Empty Latent for Model"),
    "pictures with as many channels": (samples(6, 48, 8, 8), "one video and its second clip, a batch of 2 latents, got 6"),
    "a clip of another VAE": (samples(2, 16, 3, 4, 4), r"got \(2, 16, 3, 4, 4\): use Empty Latent for Model"),
    "the video alone": (samples(1, 48, 3, 4, 4), "a batch of 2 latents, got 1"),
    "two pairs": (samples(4, 48, 3, 4, 4), "a batch of 2 latents, got 4"),
    "an uneven batch": (samples(3, 48, 3, 4, 4), "a batch of 2 latents, got 3"),
}  # fmt: skip


@SAMPLERS
@pytest.mark.parametrize("kind", LATENTS)
def test_latents_of_another_form_are_refused_by_a_pair_on_wan(wan, sample, kind):
    latent, says = LATENTS[kind]
    refused(says, sample, wan, prompt(), prompt(), latent)


@pytest.mark.parametrize("task", TASKS)
@SAMPLERS
def test_latents_of_clips_are_refused_by_the_pair_of_the_unet(unet, sample, task):
    for shape in ((2, 4, 3, 8, 8), GOOD):
        refused(
            "encode the clip with the VAE that belongs to",
            sample,
            unet,
            conditioning(1),
            conditioning(2),
            samples(*shape),
            task=task,
        )


PROMPTS = {
    "one prompt": (prompt(None, 1), "conditioning has one prompt where the video and its second clip need one each"),
    "two prompts in a batch": (prompt(None), "conditioning has one prompt where"),
    "a third prompt": (prompt("depth", 3), "conditioning has one prompt where"),
    "none": ([], "conditioning is empty"),
    "an unknown modality": (prompt("normals"), "asks for normals, but this model was trained on depth, raft, "),
    "tokens of another text encoder": (prompt(width=32), "tokens of width 32, but this model reads 24"),
}  # fmt: skip


@SAMPLERS
@pytest.mark.parametrize("side", ["positive", "negative"])
@pytest.mark.parametrize("kind", PROMPTS)
def test_a_missing_prompt_or_one_of_another_kind_is_refused_for_positive_and_negative(wan, sample, side, kind):
    bad, says = PROMPTS[kind]
    both = {"positive": prompt(), "negative": prompt()} | {side: bad}
    refused(f"The {side} .*{says}", sample, wan, both["positive"], both["negative"], samples(*GOOD))


HALVES = {
    "shorter": ((1, 48, 2, 4, 4), "of the same length and size, got"),
    "narrower": ((1, 48, 3, 4, 3), "of the same length and size, got"),
    "lower": ((1, 48, 3, 2, 4), "of the same length and size, got"),
    "of another VAE": ((1, 16, 3, 4, 4), "of the same length and size, got"),
    "two clips": ((2, 48, 3, 4, 4), r"depth_latent: expected one clip \(1, channels, frames, height, width\)"),
    "pictures": ((3, 4, 4, 4), "video_latent: expected a latent of pictures with 4 dimensions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HALVES)
def test_unequal_halves_are_refused_before_they_are_joined(kind):
    shape, says = HALVES[kind]
    refused(says, JoinPair.execute, samples(1, 48, 3, 4, 4), samples(*shape))


def test_a_pair_that_lost_or_gained_clips_is_not_split():
    refused("one video and its second clip, 2 latents, got 3", SplitPair.execute, samples(3, 48, 3, 4, 4))


@pytest.mark.parametrize(
    ("asked", "made"), [((250, 135, 16), (5, 8, 16)), ((8, 8, 1), (1, 1, 1)), ((257, 256, 34), (9, 16, 16)), ((256, 264, 33), (9, 16, 16))]
)  # fmt: skip
def test_sizes_off_the_grid_are_moved_to_it_and_said(wan, asked, made, caplog):
    with caplog.at_level(logging.WARNING):
        latent = EmptyLatent.execute(wan, *asked, 1).result[0]
    assert latent["samples"].shape == (2, 48, *made)
    assert (
        "in steps of 16 pixels and lengths of 4 k + 1 frames" in caplog.text
        and f"{asked[0]} x {asked[1]}" in caplog.text
    )


def test_a_pair_whose_sides_are_odd_in_latents_is_sampled_as_it_is(wan):
    """Sizes in steps of 16 pixels are those of the release; the network's patches are twice as large."""
    latent = samples(2, 48, 2, 3, 5)
    out = by_ours(wan, prompt(), prompt(), latent, DEPTH_FROM_VIDEO)["samples"]
    assert out.shape == (2, 48, 2, 3, 5) and torch.allclose(out[0], latent["samples"][0], atol=1e-5)


def test_one_clip_alone_cannot_be_selected(wan):
    refused("a pair on Wan 2.2, which always samples both clips", SelectModality.execute, wan, "depth only")
