"""The network that is trained is the one that samples; a pair on the latents of an image VAE is sampled frame by frame."""

import dataclasses
import json

import pytest
import torch
from pack.models.files.recommended import KEY
from pack.models.unet.words import split_words, token_width
from pack.models.wan.files import PICTURES, PairNotes, open_wan_pair, save_wan_pair
from pack.models.wan.network import PairNetwork, PairShape
from pack.models.wan.sentences import SENTENCES
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.oneshot.flow_edit import FlowEdit
from pack.nodes.oneshot.inversion import InvertVideo
from pack.nodes.pair.latent import EmptyLatent, SplitPair
from pack.nodes.pair.sampler import ALL, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from pack.nodes.pair.windows import SetPairWindows
from pack.nodes.wan.loaders import LoadWanPair, open_pair
from pack.nodes.wan.prompts import EncodeWanPrompt
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


# --- the small pair in the graph -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """MODEL and CLIP of a file with its own words."""
    import folder_paths

    folder = tmp_path_factory.mktemp("models")
    words = ("a", "person", "dances", *dict.fromkeys(split_words(SENTENCES["depth"])))
    words = tuple(dict.fromkeys(words))
    notes = PairNotes(num_heads=4, latents=PICTURES, words=words)
    small = {KEY: json.dumps({"width": 64, "height": 64, "frames": 4, "steps": 3})}
    network = trained(text_dim=token_width(words))
    save_wan_pair(folder / "small_pair.safetensors", network.state_dict(), notes, **small)
    before = folder_paths.folder_names_and_paths["diffusion_models"]
    folder_paths.folder_names_and_paths["diffusion_models"] = ([str(folder), *before[0]], before[1])
    yield LoadWanPair.execute("small_pair.safetensors").result
    folder_paths.folder_names_and_paths["diffusion_models"] = before


@pytest.fixture(scope="module")
def prompts(loaded):
    return [EncodeWanPrompt.execute(loaded[2], text, "depth").result[0] for text in ("a person dances", "")]


@pytest.fixture
def latent(loaded):
    return EmptyLatent.execute(loaded[0], 0, 0, 0, 1).result[0]


def sampled(loaded, prompts, latent, task=ALL, **changes):
    how = {"steps": 0, "cfg": 0.0, "sampler_name": "auto", "scheduler": "auto", "denoise": 1.0} | changes
    return SampleLatent.execute(loaded[0], *prompts, latent, 5, task, *how.values()).result[0]


def test_its_empty_latent_and_its_halves_are_those_of_a_pair(loaded, prompts, latent):
    assert latent["samples"].shape == (8, 4, 8, 8) and latent["duet"]["frames"] == 4
    out = sampled(loaded, prompts, latent)
    video, depth = SplitPair.execute(out).result
    assert video["samples"].shape == depth["samples"].shape == (4, 4, 8, 8)
    assert not torch.equal(video["samples"], depth["samples"])


@pytest.mark.parametrize("task, kept", [(DEPTH_FROM_VIDEO, 0), (VIDEO_FROM_DEPTH, 1)])
def test_a_kept_half_stays_and_changes_the_other(loaded, prompts, latent, task, kept):
    clips = [latent | {"samples": random(8, 4, 8, 8, seed=seed)} for seed in (1, 2)]
    outs = [sampled(loaded, prompts, clip, task)["samples"].chunk(2) for clip in clips]
    for clip, out in zip(clips, outs, strict=True):
        torch.testing.assert_close(out[kept], clip["samples"].chunk(2)[kept], atol=1e-4, rtol=0)
    assert (outs[0][1 - kept] - outs[1][1 - kept]).abs().max() > 1e-3


def test_words_and_their_absence_are_heard(loaded, prompts, latent):
    outs = [sampled(loaded, (prompt, prompts[1]), latent)["samples"] for prompt in prompts]
    assert (outs[0] - outs[1]).abs().max() > 1e-3


def test_an_unknown_word_is_refused_with_the_vocabulary(loaded):
    with pytest.raises(ValueError, match="got dragon.*Its words are"):
        EncodeWanPrompt.execute(loaded[2], "a dragon dances", "depth")


def test_windows_of_the_pack_keep_both_halves_together(loaded, prompts, latent):
    model = SetPairWindows.execute(loaded[0], 4, 2, "standard_static", "pyramid", 1, False, False).result[0]
    long = EmptyLatent.execute(loaded[0], 64, 64, 8, 1).result[0]
    out = sampled((model,), prompts, long)["samples"]
    assert out.shape == (16, 4, 8, 8) and torch.isfinite(out).all()
    assert torch.equal(sampled((model,), prompts, latent)["samples"], sampled(loaded, prompts, latent)["samples"])


@pytest.mark.parametrize(
    "samples, says",
    [
        (random(2, 4, 4, 8, 8), r"all video frames and then as many of depth.*got \(2, 4, 4, 8, 8\)"),
        (random(8, 16, 8, 8), r"got \(8, 16, 8, 8\)"),
    ],
    ids=["a clip of a video VAE", "other channels"],
)
def test_latents_of_another_form_are_refused(loaded, prompts, samples, says):
    import nodes

    with pytest.raises((ValueError, RuntimeError), match=says):
        nodes.common_ksampler(loaded[0], 0, 2, 1.0, "euler", "simple", *prompts, {"samples": samples})


def test_an_odd_number_of_frames_is_refused(loaded, prompts):
    import nodes

    with pytest.raises(ValueError, match="as many of depth"):
        nodes.common_ksampler(loaded[0], 0, 2, 1.0, "euler", "simple", *prompts, {"samples": random(7, 4, 8, 8)})


def test_comfyuis_own_windows_along_the_batch_are_refused(loaded, prompts, latent):
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    how = {"context_length": 4, "context_overlap": 2, "context_schedule": "standard_static", "context_stride": 1,
           "closed_loop": False, "fuse_method": "pyramid", "dim": 0, "freenoise": False}  # fmt: skip
    model = ContextWindowsManualNode.execute(loaded[0], **how).result[0]
    with pytest.raises(ValueError, match="use Context Windows \\(Video and Depth\\)"):
        sampled((model,), prompts, latent)


def test_one_prompt_and_other_tokens_are_refused(loaded, prompts, latent):
    with pytest.raises(ValueError, match="Encode Prompt"):
        sampled(loaded, ([[prompts[0][0][0][:1], {}]], prompts[1]), latent)
    wide = [[torch.zeros(2, 5, 4096), dict(prompts[0][0][1])]]
    with pytest.raises(ValueError, match="clip output of Load Wan 2.2 Pair"):
        sampled(loaded, (wide, prompts[1]), latent)


def test_flow_edit_with_unchanged_prompts_gives_both_halves_back(loaded, prompts, latent):
    from comfy_extras.nodes_custom_sampler import BasicScheduler, Noise_RandomNoise, SamplerCustomAdvanced

    clip = latent | {"samples": random(8, 4, 8, 8, seed=4)}
    sigmas = BasicScheduler.execute(loaded[0], "simple", 6, 1.0).result[0]
    edit = lambda positive: SamplerCustomAdvanced.execute(
        Noise_RandomNoise(3), *FlowEdit.execute(loaded[0], prompts[0], positive, prompts[1], 2.0, 2.0, 1, 0).result,
        sigmas, clip,
    ).result[0]["samples"]  # fmt: skip
    same, other = edit(prompts[0]), edit(prompts[1])
    assert (same - clip["samples"]).abs().max() < 1e-4 < (other - same).abs().max()


def test_an_exact_inversion_gives_both_halves_back(loaded, prompts, latent):
    from comfy_extras.nodes_custom_sampler import BasicGuider, KSamplerSelect, SamplerCustomAdvanced

    clip = latent | {"samples": random(8, 4, 8, 8, seed=4)}
    exact = {"inversion": "exact", "iterations": 12}
    _, sigmas, error, _, _, noise = InvertVideo.execute(loaded[0], prompts[0], clip, 10, exact, "simple").result
    guider, euler = BasicGuider.execute(loaded[0], prompts[0]).result[0], KSamplerSelect.execute("euler").result[0]
    back = SamplerCustomAdvanced.execute(noise, guider, euler, sigmas, clip).result[0]["samples"]
    assert error < 1e-4 and (back - clip["samples"]).abs().max() < 1e-3


def test_stock_save_model_keeps_its_words(loaded, prompts, latent, tmp_path, monkeypatch):
    import folder_paths
    from comfy_extras.nodes_model_merging import ModelSave

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    ModelSave().save(loaded[0], "saved")
    (file,) = tmp_path.rglob("saved*.safetensors")
    model, _ = open_pair(str(file))
    assert model.model.notes == loaded[0].model.notes
    again = sampled((model,), prompts, latent, steps=3)["samples"]
    torch.testing.assert_close(again, sampled(loaded, prompts, latent)["samples"], atol=1e-4, rtol=1e-4)
