"""KSampler (Auto Settings): the settings of the file, and masks that narrow each other."""

from types import SimpleNamespace

import pytest
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.supported_models import SD15
from pack.models.files import save_model
from pack.models.files.recommended import CHARACTER, CLIP, DEPTH, FLOW, KEY, PAIR, Recommended, of_family
from pack.models.unet.config import ANIMATEDIFF_V3, IDOL, MIMO, ONE_SHOT, SD1, SD2_DEPTH
from pack.nodes.files.save import SaveVideoModel
from pack.nodes.host.recommended import recommended_of, with_recommended
from pack.nodes.oneshot.tuning import with_tuning
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.sampler import ALL, AUTO, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent, with_noise_mask
from pack.nodes.unet.loaders import open_video_model
from pack.nodes.unet.motion_module import with_motion
from tiny.model import FRAMES, PICTURES, conditioning, latent, noise, tiny_config, tiny_model, tiny_weights

import nodes as host

SETTINGS = Recommended(64, 64, 3, 2, 1.5, "ddim", "sgm_uniform")


def sampled(model, latent, task=ALL, steps=0, cfg=0.0, sampler=AUTO, scheduler=AUTO, denoise=1.0, **more):
    how = (steps, cfg, sampler, scheduler, denoise)
    return SampleLatent.execute(model, conditioning(1), conditioning(2), latent, 7, task, *how, **more)[0]["samples"]


def by_ksampler(model, latent, steps, cfg, sampler, scheduler, denoise=1.0):
    given = (conditioning(1), conditioning(2), latent, denoise)
    return host.KSampler().sample(model, 7, steps, cfg, sampler, scheduler, *given)[0]["samples"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pair model whose file recommends something."""
    path, config = tmp_path_factory.mktemp("model") / "pair.safetensors", tiny_config()
    save_model(path, tiny_weights(config), config, **{KEY: SETTINGS.to_json()})
    return open_video_model(str(path))[0]


def stock_model():
    """A Stable Diffusion 1 of the host with a small network."""
    config = SD15({
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
        "channel_mult": [1, 2], "transformer_depth": [1, 0], "transformer_depth_output": [1, 1, 0, 0],
        "transformer_depth_middle": 1, "num_heads": 4, "context_dim": 768, "use_spatial_transformer": True,
        "dtype": torch.float32,
    })  # fmt: skip
    config.set_inference_dtype(torch.float32, None)
    torch.manual_seed(0)
    made = BaseModel(config, unet_model=UNetModel)
    for value in made.diffusion_model.parameters():
        torch.nn.init.normal_(value, std=0.05)
    return ModelPatcher(made, torch.device("cpu"), torch.device("cpu"))


def test_without_a_setting_the_files_are_used(model):
    assert torch.equal(sampled(model, latent()), by_ksampler(model, latent(), 2, 1.5, "ddim", "sgm_uniform"))


@pytest.mark.parametrize("own", [
    {"steps": 3}, {"cfg": 4.0}, {"sampler": "euler"}, {"scheduler": "normal"}, {"denoise": 0.5},
])  # fmt: skip
def test_each_setting_of_the_node_replaces_one_of_the_file(model, own):
    how = {"steps": 2, "cfg": 1.5, "sampler": "ddim", "scheduler": "sgm_uniform", **own}
    pair = {"samples": noise((2 * FRAMES, 4, 8, 8), 3)}
    assert torch.equal(sampled(model, pair, **own), by_ksampler(model, pair, **how))


def test_a_model_of_the_host_is_sampled_as_ksampler_does_by_default():
    model, pictures = stock_model(), latent(2)
    assert torch.equal(sampled(model, pictures), by_ksampler(model, pictures, 20, 8.0, "euler", "simple"))


def test_a_sampler_that_this_host_lacks_is_refused(model):
    other = model.clone()
    other.set_attachments(KEY, Recommended(64, 64, 3, 2, 1.5, "of_tomorrow", "simple"))
    with pytest.raises(ValueError, match="sampler_name: the model's file recommends of_tomorrow"):
        sampled(other, latent())
    assert torch.isfinite(sampled(other, latent(), sampler="euler")).all()


# --- where settings live -----------------------------------------------------------------------------------------------


def test_settings_survive_what_is_done_to_a_model(model):
    lora = {"diffusion_model.conv_in.weight": ("diff", (torch.zeros(64, 4, 3, 3),))}
    patched = model.clone()
    patched.add_patches(lora, 1.0)
    for one in (
        model.clone(),
        patched,
        SelectModality.execute(model, "video only")[0],
        model.clone(force_deepcopy=True),
    ):
        assert recommended_of(one) == SETTINGS


def test_a_saved_model_recommends_the_same(model, tmp_path, monkeypatch):
    monkeypatch.setattr("pack.nodes.files.save.output_file", lambda prefix, ending: tmp_path / f"saved{ending}")
    SaveVideoModel.execute(model, "saved")
    assert recommended_of(open_video_model(str(tmp_path / "saved.safetensors"))[0]) == SETTINGS


def test_layers_on_top_of_a_model_keep_its_settings(tmp_path, monkeypatch):
    path, config = tmp_path / "pictures.safetensors", tiny_config(**PICTURES)
    save_model(path, tiny_weights(config), config, **{KEY: SETTINGS.to_json()})
    model = open_video_model(str(path))[0]
    monkeypatch.setattr("pack.models.files.open_motion_module", lambda path: ({}, {}, None))
    monkeypatch.setattr("pack.models.oneshot.files.add_tuning", lambda config, state, path: (config, state, None))
    for add in (with_motion, with_tuning):
        assert recommended_of(add(model, "a file")[0]) == SETTINGS


@pytest.mark.parametrize(("config", "expected"), [
    (IDOL, PAIR), (SD1, CLIP), (ANIMATEDIFF_V3, CLIP), (SD2_DEPTH, DEPTH), (ONE_SHOT, DEPTH), (MIMO, CHARACTER),
])  # fmt: skip
def test_a_family_has_settings_of_its_own(config, expected):
    assert of_family(config) == expected


def test_a_flow_model_without_settings_has_those_of_the_released_ones(tmp_path):
    model = SimpleNamespace(model=SimpleNamespace(flow=None), set_attachments=lambda key, value: found.append(value))
    found = []
    with_recommended(model, tmp_path / "DM_MUG.pth")
    assert found == [FLOW]


# --- masks -------------------------------------------------------------------------------------------------------------


def masked(mask, frames=FRAMES):
    return {"samples": torch.zeros(2 * frames, 4, 8, 8), "noise_mask": mask}


def columns(*on, count=1, side=64):
    """(count, side, side) white in some of its eight columns."""
    mask = torch.zeros(count, side, 8, side // 8)
    mask[:, :, list(on)] = 1
    return mask.flatten(2)


def test_the_mask_of_the_latent_and_change_mask_both_hold():
    """Only the overlap changes; before, the latent's own mask was lost."""
    out = with_noise_mask(masked(columns(0, 1, 2)[:, None]), ALL, columns(2, 3), 2)["noise_mask"]
    assert out.shape == (2 * FRAMES, 1, 64, 64) and torch.equal(out[:, 0], columns(2).expand(2 * FRAMES, -1, -1))


@pytest.mark.parametrize(("task", "kept"), [(DEPTH_FROM_VIDEO, 0), (VIDEO_FROM_DEPTH, 1)])
def test_the_mask_of_the_latent_and_the_task_both_hold(task, kept):
    own = columns(0, 1, count=2 * FRAMES)
    own[FRAMES:] = columns(5)
    video, depth = halves = with_noise_mask(masked(own), task, None, 2)["noise_mask"].chunk(2)
    assert not halves[kept].any()
    assert torch.equal((video, depth)[1 - kept][:, 0], own.chunk(2)[1 - kept])


@pytest.mark.parametrize("count", [1, FRAMES, 2 * FRAMES])
def test_a_mask_of_the_latent_is_read_as_the_host_repeats_it(count):
    own = torch.rand(count, 64, 64, generator=torch.Generator().manual_seed(1))
    out = with_noise_mask(masked(own), ALL, torch.ones(1, 64, 64), 2)["noise_mask"]
    assert torch.equal(out[:, 0], own.repeat(2 * FRAMES // count, 1, 1))


def test_masks_of_other_sizes_narrow_each_other_too():
    out = with_noise_mask(masked(columns(0, 1, 2, 3, side=16)), ALL, columns(2, 3, 4, 5), 2)["noise_mask"]
    assert out.shape[-2:] == (64, 64) and torch.equal(out[0, 0, 5] > 0.5, columns(2, 3)[0, 5] > 0.5)


def test_a_clip_keeps_what_both_masks_keep():
    model = tiny_model(**PICTURES)
    clip = {"samples": noise((FRAMES, 4, 8, 8), 5), "noise_mask": columns(0, 1, 2)}
    out = sampled(model, clip, steps=2, change_mask=columns(2, 3))
    same = (out - clip["samples"]).abs().amax((0, 1, 2)) < 1e-5
    assert same.tolist() == [True, True, False, True, True, True, True, True]


def test_a_flow_latent_takes_a_mask_for_each_of_its_frames():
    flow = {"samples": torch.zeros(2, 3, 5, 16, 16)}
    assert with_noise_mask(flow, ALL, torch.ones(5, 64, 64), 1)["noise_mask"].shape == (5, 1, 64, 64)
    with pytest.raises(ValueError, match="change_mask: expected 1 or 5 masks for 5 frames, got 2"):
        with_noise_mask(flow, ALL, torch.ones(2, 64, 64), 1)


def test_without_a_mask_or_a_task_the_latent_passes():
    pair = masked(columns(1))
    assert with_noise_mask(pair, ALL, None, 2) is pair


def test_a_mask_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="latent: expected a noise mask of 1 or 3 or 6 frames, got 2"):
        with_noise_mask(masked(torch.ones(2, 64, 64)), DEPTH_FROM_VIDEO, None, 2)


@pytest.mark.parametrize("task", [DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH])
def test_a_model_of_one_modality_has_one_task(task, model):
    for one in (tiny_model(**PICTURES), stock_model(), SelectModality.execute(model, "video only")[0]):
        with pytest.raises(ValueError, match=f"task: {task} needs a model that samples video and depth"):
            sampled(one, latent(), task)
