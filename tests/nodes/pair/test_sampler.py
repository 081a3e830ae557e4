"""KSampler (Auto Settings): the settings of the file, and masks that narrow each other."""

from types import SimpleNamespace

import pytest
import torch
from pack.models.files import save_model
from pack.models.files.recommended import CHARACTER, CLIP, DEPTH, FLOW, KEY, PAIR, Recommended, of_family
from pack.models.unet.config import ANIMATEDIFF_V3, IDOL, MIMO, ONE_SHOT, SD1, SD2_DEPTH
from pack.nodes.files.save import SaveVideoModel
from pack.nodes.host.recommended import recommended_of, with_recommended
from pack.nodes.lfdm.loaders import open_flow
from pack.nodes.oneshot.tuning import with_tuning
from pack.nodes.pair.latent import SplitPair
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.sampler import ALL, AUTO, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent, with_noise_mask
from pack.nodes.unet.loaders import open_video_model
from pack.nodes.unet.motion_module import with_motion
from tiny.flow_files import write_flow_models
from tiny.host_model import host_model
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
    model, pictures = host_model(), latent(2)
    assert torch.equal(sampled(model, pictures), by_ksampler(model, pictures, 20, 8.0, "euler", "simple"))


@pytest.mark.parametrize(("steps", "cfg", "words"), [
    (2, 1.5, None), (8, 3.0, None), (9, 1.5, "with 9 steps"), (2, 7.0, "with cfg 7"), (20, 7.0, "with 20 steps and cfg 7"),
])  # fmt: skip
def test_settings_far_from_those_of_the_file_are_warned_of(model, caplog, steps, cfg, words):
    """20 steps and cfg 7, the defaults of KSampler, burned a model for 2 steps silently."""
    by_ksampler(model, latent(), steps, cfg, "euler", "simple")
    assert caplog.messages == [] if words is None else words in caplog.messages[0]


def test_recommended_settings_parts_and_models_without_any_are_not_warned_of(model, caplog, tmp_path):
    sampled(model, latent())
    path, config = tmp_path / "silent.safetensors", tiny_config()
    save_model(path, tiny_weights(config), config)
    by_ksampler(open_video_model(str(path))[0], latent(), 2, 7.0, "euler", "simple")
    by_ksampler(host_model(), latent(2), 2, 30.0, "euler", "simple")
    assert caplog.messages == []


def test_few_steps_are_warned_of_where_they_were_to_be_all(model, caplog):
    many = model.clone()
    many.set_attachments(KEY, Recommended(64, 64, 3, 20, 1.5, "ddim", "sgm_uniform"))
    pair = {"samples": noise((2 * FRAMES, 4, 8, 8), 3)}
    by_ksampler(many, pair, 2, 1.5, "euler", "simple", denoise=0.3)
    many.add_patches({"diffusion_model.conv_in.weight": ("diff", (torch.zeros(64, 4, 3, 3),))}, 1.0)
    by_ksampler(many, pair, 2, 1.5, "euler", "simple")
    assert caplog.messages == [], "a part of the steps, and a LoRA that may be made for few"
    many.patches.clear()
    by_ksampler(many, pair, 2, 1.5, "euler", "simple")
    assert "recommends 20 steps and cfg 1.5; with 2 steps" in caplog.messages[0]


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


def test_a_flow_latent_with_a_mask_of_other_frames_is_refused(tmp_path):
    """The host would stretch it over the frames."""
    write_flow_models(tmp_path)
    model = open_flow(str(tmp_path / "flow_models" / "duet_flow_64.safetensors"))[0]
    flow = {"samples": torch.zeros(1, 3, 5, 16, 16), "noise_mask": torch.ones(3, 64, 64)}
    with pytest.raises(ValueError, match="latent: expected a noise mask of 1 or 5 frames for 5 frames, got 3"):
        sampled(model, flow)


def test_a_flow_latent_takes_a_mask_for_each_of_its_frames():
    flow = {"samples": torch.zeros(2, 3, 5, 16, 16)}
    assert with_noise_mask(flow, ALL, torch.ones(5, 64, 64), 1)["noise_mask"].shape == (5, 1, 64, 64)
    with pytest.raises(ValueError, match="change_mask: expected 1 or 5 masks for 5 frames, got 2"):
        with_noise_mask(flow, ALL, torch.ones(2, 64, 64), 1)


def test_without_a_mask_or_a_task_the_latent_passes():
    pair = masked(columns(1))
    assert with_noise_mask(pair, ALL, None, 2) is pair


def test_a_mask_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="latent: expected a noise mask of 1 or 3 or 6 frames .*, got 2"):
        with_noise_mask(masked(torch.ones(2, 64, 64)), DEPTH_FROM_VIDEO, None, 2)


@pytest.mark.parametrize("task", [DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH])
def test_a_model_of_one_modality_has_one_task(task, model):
    for one in (tiny_model(**PICTURES), host_model(), SelectModality.execute(model, "video only")[0]):
        with pytest.raises(ValueError, match=f"task: {task} needs a model that samples video and depth"):
            sampled(one, latent(), task)


@pytest.mark.parametrize("count", [2, 5, 6, 12])
def test_a_mask_of_other_frames_is_refused_without_a_task_too(model, count):
    """The host would repeat or cut it silently, so that depth frames get the masks of other video frames."""
    with pytest.raises(
        ValueError, match=f"noise mask of 1 or 4 or 8 frames for 4 frames and as many of depth, got {count}"
    ):
        sampled(model, masked(torch.zeros(count, 64, 64), frames=4))
    clip = {"samples": torch.zeros(4, 4, 8, 8), "noise_mask": torch.zeros(count, 64, 64)}
    for one in (tiny_model(**PICTURES), SelectModality.execute(model, "depth only")[0]):
        with pytest.raises(ValueError, match=f"noise mask of 1 or 4 frames for 4 frames, got {count}"):
            sampled(one, clip)


@pytest.mark.parametrize("count", [2, 5, 6, 7])
def test_ksampler_refuses_a_mask_that_the_host_has_repeated(model, count):
    mask = torch.rand(count, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        ValueError, match=f"noise mask has {count} frames, but the clip has 4 frames and as many of depth"
    ):
        by_ksampler(model, {**latent(8), "noise_mask": mask}, 1, 1.0, "euler", "simple")
    if count == 2:
        with pytest.raises(ValueError, match="noise mask has 2 frames, but the clip has 4 frames: give it 1 or 4"):
            by_ksampler(tiny_model(**PICTURES), {**latent(4), "noise_mask": mask}, 1, 1.0, "euler", "simple")


def test_what_ksampler_cannot_see_is_refused_at_split(model):
    """The host cuts a mask that is too long, and repeats one of black and white frames: the latent still carries both."""
    for mask in (torch.rand(12, 8, 8), torch.ones(5, 8, 8) * torch.tensor([1, 0, 0, 1, 0])[:, None, None]):
        made = {**latent(8), "noise_mask": mask, "duet": {"frames": 4, "modalities": ["video", "depth"]}}
        out = host.KSampler().sample(model, 7, 1, 1.0, "euler", "simple", conditioning(1), conditioning(2), made)[0]
        with pytest.raises(ValueError, match=f"noise mask of 1 or 4 or 8 frames for .*, got {len(mask)}"):
            SplitPair.execute(out)


@pytest.mark.parametrize("on", [
    [1, 0, 1, 0, 1, 0, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0, 1], [1, 0, 0, 1, 1, 1, 0, 0], [1] * 8,
])  # fmt: skip
def test_a_whole_mask_that_repeats_within_itself_is_taken(model, on):
    """Such as one that keeps every second frame."""
    mask = torch.ones(8, 8, 8) * torch.tensor(on)[:, None, None]
    assert len(by_ksampler(model, {**latent(8), "noise_mask": mask}, 1, 1.0, "euler", "simple")) == 8
    clip = {**latent(4), "noise_mask": mask[:4]}
    assert len(by_ksampler(tiny_model(**PICTURES), clip, 1, 1.0, "euler", "simple")) == 4


# --- pairs -------------------------------------------------------------------------------------------------------------


def test_a_latent_of_other_modalities_is_refused(model):
    pair = {**latent(8), "duet": {"frames": 4, "modalities": ["video", "depth"]}}
    half = {**latent(4), "duet": {"modalities": ["video"]}}
    with pytest.raises(
        ValueError, match="latent: expected video and depth in one latent, got video alone: connect both"
    ):
        sampled(model, half)
    for one in (tiny_model(**PICTURES), SelectModality.execute(model, "video only")[0]):
        with pytest.raises(ValueError, match="latent: expected frames of one kind, got 8 latents of video and depth"):
            sampled(one, pair)
        assert len(sampled(one, half)) == 4
    assert len(sampled(host_model(), pair, steps=1)) == 8, "each latent is a picture to it"


# --- what is not finite ------------------------------------------------------------------------------------------------


def with_nan(frames=4) -> dict:
    made = latent(2 * frames)
    made["samples"][frames + 2, 1, 3, 5] = torch.nan
    return made


def broken(model):
    """A model whose fourth channel is infinite everywhere."""
    weights = {"diffusion_model.conv_out.bias": ("diff", (torch.tensor([0.0, 0.0, 0.0, torch.inf]),))}
    clone = model.clone()
    clone.add_patches(weights, 1.0)
    return clone


@pytest.mark.parametrize("node", [
    lambda model, latent: sampled(model, latent, steps=1, cfg=1.0),
    lambda model, latent: by_ksampler(model, latent, 1, 1.0, "euler", "simple"),
])  # fmt: skip
def test_one_nan_is_refused_before_and_after_sampling(model, node):
    with pytest.raises(
        ValueError, match="latent: .*got 1 NaN or infinite values of 2048, the first in frame 2 of the depth"
    ):
        node(model, with_nan())
    says = (
        "The sampler returned 512 NaN or infinite values of 2048, the first in frame 0 of the video: .*half precision"
    )
    with pytest.raises(ValueError, match=says):
        node(broken(model), latent(8))
    with pytest.raises(ValueError, match="returned 256 .* of 1024, the first in frame 0: "):
        node(SelectModality.execute(broken(model), "depth only")[0], latent(4))


def test_a_model_of_the_host_is_sampled_without_nan_too():
    made, stock = latent(2), host_model()
    made["samples"][1, 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="got 1 NaN or infinite values of 512, the first in frame 1: check"):
        sampled(stock, made, steps=1)
    stock.model.diffusion_model.out[2].bias.data[0] = torch.nan
    with pytest.raises(ValueError, match="The sampler returned 128 NaN"):
        sampled(stock, latent(2), steps=1)
