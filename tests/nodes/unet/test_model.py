"""The video model on the host's real samplers, masks, ControlNets, guidance and memory management."""

import comfy.model_management as memory
import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import BasicScheduler, CFGGuider, Noise_RandomNoise, SamplerCustomAdvanced
from comfy_extras.nodes_easycache import EasyCacheNode
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from pack.nodes.host.unet.model import native_model
from pack.nodes.pair.modality import SelectModality
from tiny.model import (
    FRAMES,
    PICTURES,
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    spied,
    t2i_adapter,
    tiny_config,
    tiny_model,
    tiny_weights,
)  # fmt: skip

import nodes as host

VIDEO, DEPTH = slice(0, FRAMES), slice(FRAMES, 2 * FRAMES)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def clip(model):
    return ksampler(model)


def test_ksampler_gives_the_same_clip_twice(model, clip):
    assert torch.isfinite(clip).all() and clip.std() > 0.1
    assert torch.equal(ksampler(model), clip)
    assert gap(ksampler(model, seed=8), clip) > 0.1


def test_video_and_depth_see_each_other_and_frames_see_frames(model):
    """A change of one depth frame reaches every latent of the pair and no other pair."""
    unet, x = model.model.diffusion_model, noise((4 * FRAMES, 4, 8, 8))
    call = lambda x: unet(x, torch.full((len(x),), 500.0), noise((1, 5, 768)).expand(len(x), -1, -1),
                          transformer_options={"cond_or_uncond": [1, 0]})  # fmt: skip
    other = x.clone()
    other[2 * FRAMES - 1] += 1
    moved = (call(other) - call(x)).abs().amax((1, 2, 3))
    assert (moved[: 2 * FRAMES] > 1e-5).all() and (moved[2 * FRAMES :] == 0).all()


def test_a_run_in_two_parts(model):
    whole = ksampler(model, steps=4)
    first = ksampler(model, steps=4, start_step=0, last_step=2)
    second = ksampler(model, steps=4, start_step=2, disable_noise=True, pair={"samples": first})
    assert gap(second, whole) < 1e-5 < gap(first, whole)


def test_custom_sampler_equals_ksampler(model, clip):
    guider = CFGGuider.execute(model, conditioning(1), conditioning(2), 5.0).result[0]
    sigmas = BasicScheduler.execute(model, "normal", 2, 1.0).result[0]
    sampler = comfy.samplers.sampler_object("euler")
    out = SamplerCustomAdvanced.execute(Noise_RandomNoise(7), guider, sampler, sigmas, latent()).result[0]
    assert torch.equal(out["samples"], clip)


def test_whole_pairs_are_batched_and_a_full_memory_splits_them(model, clip, monkeypatch):
    seen = []
    ksampler(spied(model, seen))
    assert seen == [(4 * FRAMES, [1, 0])] * 2
    monkeypatch.setattr("comfy.model_patcher.ModelPatcher.get_free_memory", lambda *_: 0)
    seen.clear()
    out = ksampler(spied(model, seen))
    assert sorted(seen) == sorted([(2 * FRAMES, [0]), (2 * FRAMES, [1])] * 2)
    assert gap(out, clip) < 1e-5


def test_prompts_of_unequal_length(model):
    seen = []
    ksampler(spied(model, seen), conditioning(1, tokens=4), conditioning(2, tokens=8))
    assert seen == [(4 * FRAMES, [1, 0])] * 2


def test_a_mask_of_all_frames_freezes_the_other_half(model):
    mask = torch.cat((torch.zeros(FRAMES, 8, 8), torch.ones(FRAMES, 8, 8)))
    given = noise((2 * FRAMES, 4, 8, 8), 9)
    out = ksampler(model, pair={"samples": given, "noise_mask": mask})
    assert gap(out[VIDEO], given[VIDEO]) < 1e-5
    assert gap(out[DEPTH], given[DEPTH]) > 0.1


def test_a_mask_of_the_video_frames_serves_both_halves(model):
    mask, given = torch.ones(FRAMES, 8, 8), noise((2 * FRAMES, 4, 8, 8), 9)
    mask[1] = 0
    out = ksampler(model, pair={"samples": given, "noise_mask": mask})
    kept = [i for i in range(2 * FRAMES) if gap(out[i], given[i]) < 1e-5]
    assert kept == [1, FRAMES + 1]


def test_areas(model):
    seen = []
    left = host.ConditioningSetArea().append(conditioning(1), 64, 64, 0, 0, 1.0)[0]
    out = ksampler(spied(model, seen), left + conditioning(4), pair=latent(size=16))
    assert torch.isfinite(out).all()
    assert all(count == 2 * FRAMES * len(chunks) for count, chunks in seen)
    assert gap(ksampler(model, conditioning(4), pair=latent(size=16)), out) > 1e-3


def test_cancel_stops_in_the_middle_of_a_forward_pass(model):
    seen = []
    cancel = lambda x: memory.interrupt_current_processing(len(seen) == 2)
    unet = model.model.diffusion_model
    done = []
    hook = unet.conv_out.register_forward_hook(lambda *_: done.append(1))
    try:
        with pytest.raises(memory.InterruptProcessingException):
            ksampler(spied(model, seen, cancel), steps=4)
    finally:
        memory.interrupt_current_processing(False)
        hook.remove()
    assert len(seen) == 2 and len(done) == 1


@pytest.mark.parametrize("change, words", [
    ({"pair": latent(5)}, "5 latents"),
    ({"pair": {"samples": noise((6, 16, 8, 8))}}, r"\(6, 16, 8, 8\)"),
    ({"pair": {"samples": noise((1, 4, 6, 8, 8))}}, r"\(1, 4, 6, 8, 8\)"),
    ({"positive": conditioning(width=1024)}, "positive.*768.*1024"),
    ({"positive": conditioning(mask=torch.ones(2, 64, 64))}, "mask has 2.*3 frames.*1 or 3 or 6"),
    ({"pair": {"samples": noise((6, 4, 8, 8)), "noise_mask": torch.rand(2, 8, 8)}}, "mask has 2.*1 or 3 or 6"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_before_sampling(model, change, words):
    seen = []
    with pytest.raises(ValueError, match=words):
        ksampler(spied(model, seen), **change)
    assert not seen


def test_hints_that_do_not_fit_are_refused_before_sampling(model):
    inner = controlled(controlnet(), hints(2))
    with pytest.raises(ValueError, match="ControlNet hint has 2 pictures.*3 frames.*1 or 3 or 6"):
        ksampler(model, *controlled(controlnet(), hints(3), *inner))


def test_one_modality_alone_is_half_a_batch_with_its_label(model):
    answers = {}
    for name in ("video", "depth"):
        seen = []
        alone = SelectModality.execute(model, f"{name} only").result[0]
        answers[name] = ksampler(spied(alone, seen), pair=latent(FRAMES))
        assert seen == [(2 * FRAMES, [1, 0])] * 2
    assert gap(answers["video"], answers["depth"]) > 1e-3
    back = SelectModality.execute(alone, "video and depth").result[0]
    assert torch.equal(ksampler(back), ksampler(model))


def test_set_modality_wants_a_model_of_both():
    with pytest.raises(ValueError, match="video and depth"):
        SelectModality.execute(tiny_model(modalities=1, label=False, cross_modal="none"), "depth only")


def test_background_latents_enter_and_fit(model, clip):
    background = noise((FRAMES, 4, 8, 8), 4)
    out = ksampler(model, conditioning(1, duet_background=background), conditioning(2, duet_background=background))
    twice = torch.cat((background, background))
    same = ksampler(model, conditioning(1, duet_background=twice), conditioning(2, duet_background=twice))
    assert gap(out, clip) > 1e-3 and torch.equal(out, same)
    with pytest.raises(ValueError, match="background has 4"):
        ksampler(model, conditioning(1, duet_background=noise((4, 4, 8, 8))))


def test_preview_shows_both_halves(model):
    from latent_preview import Latent2RGBPreviewer

    form = model.model.latent_format
    previewer = Latent2RGBPreviewer(form.latent_rgb_factors, None, form.latent_rgb_factors_reshape)
    assert previewer.decode_latent_to_preview(noise((6, 4, 8, 12))).size == (24, 8)


def test_v_prediction_takes_the_other_way(clip):
    assert gap(ksampler(tiny_model(prediction="v")), clip) > 0.01


def test_controlnet_chain_with_hints_for_frames_or_for_all(model, clip):
    net, pictures = controlnet(), hints(FRAMES)
    once = ksampler(model, *controlled(net, pictures))
    twice = ksampler(model, *controlled(net, torch.cat((pictures, pictures))))
    chain = ksampler(model, *controlled(net, hints(1), *controlled(net, pictures)))
    assert gap(twice, once) < 1e-5
    assert gap(once, clip) > 1e-3 and gap(chain, once) > 1e-3


def test_t2i_adapter(model, clip):
    out = ksampler(model, *controlled(t2i_adapter(), hints(FRAMES)))
    assert torch.isfinite(out).all() and gap(out, clip) > 1e-3


def test_perturbed_and_self_attention_guidance(model):
    plain = ksampler(model, pair=latent(size=16))
    for node, options in ((PerturbedAttentionGuidance, (3.0,)), (SelfAttentionGuidance, (0.5, 2.0))):
        out = ksampler(node.execute(model, *options).result[0], pair=latent(size=16))
        assert torch.isfinite(out).all() and gap(out, plain) > 1e-3, node.__name__


def test_attention_patches_are_called_by_the_names_of_the_hosts_unet(model, clip):
    called = set()

    def note(q, k, v, extra):
        called.add((*extra["block"], extra["block_index"], extra["transformer_index"]))
        assert extra["original_shape"][0] == len(extra["cond_or_uncond"]) * 2 * FRAMES
        return q, k, v

    clone = model.clone()
    clone.set_model_attn1_patch(note)
    clone.set_model_attn2_output_patch(lambda out, extra: out * 0.5)
    out = ksampler(clone)
    assert called == {("input", 1, 0, 0), ("middle", 0, 0, 1), ("output", 2, 0, 2), ("output", 3, 0, 3)}
    assert gap(out, clip) > 1e-3


def test_easycache_skips_forward_passes(model):
    done = []
    hook = model.model.diffusion_model.conv_out.register_forward_hook(lambda *_: done.append(1))
    try:
        ksampler(EasyCacheNode.execute(model, 3.0, 0.0, 1.0, False).result[0], steps=6)
    finally:
        hook.remove()
    assert 0 < len(done) < 6


@pytest.fixture(scope="module")
def plain():
    """The tiny model without adapters, and the host's own U-Net on the same weights."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import disable_weight_init
    from comfy.utils import unet_to_diffusers

    shape = {
        "model_channels": 64, "channel_mult": [1, 2], "num_res_blocks": [2, 2], "transformer_depth": [1, 1, 0, 0],
        "transformer_depth_middle": 1, "transformer_depth_output": [1, 1, 1, 0, 0, 0], "context_dim": 768,
    }  # fmt: skip
    config = tiny_config(**PICTURES, layers_per_block=2)
    state, names = tiny_weights(config), unet_to_diffusers(shape)
    native = UNetModel(
        image_size=32, in_channels=4, out_channels=4, num_heads=4, use_spatial_transformer=True, dtype=torch.float32,
        operations=disable_weight_init, **shape,
    )  # fmt: skip
    native.load_state_dict({names[name]: value for name, value in state.items()})
    return native_model(config, state), native


def parts(net, x, t, context):
    net.pre_run(tiny_model().model, lambda percent: 999999999.9 * (1 - percent))
    return net.get_control(x, t, {"c_crossattn": context}, 1, {})


@pytest.mark.parametrize("net", [
    pytest.param(None, id="alone"),
    pytest.param(lambda: controlnet(layers=2), id="controlnet"),
    pytest.param(t2i_adapter, id="t2i"),
])  # fmt: skip
def test_without_adapters_the_answer_is_that_of_the_hosts_own_unet(plain, net):
    (model, native), x, context = plain, noise((2, 4, 8, 8)), noise((2, 5, 768))
    control = lambda: None
    if net is not None:
        net = controlled(net(), hints(2))[0][0][1]["control"]
        control = lambda: parts(net, x, torch.tensor([1.0, 1.0]), context)
    t = torch.tensor([500.0, 500.0])
    options = {"cond_or_uncond": [0], "patches": {}}
    theirs = native(x, t, context, control=control(), transformer_options=options)
    assert gap(model.model.diffusion_model(x, t, context, control(), options), theirs) < 1e-5
