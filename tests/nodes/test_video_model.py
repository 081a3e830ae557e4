"""The video model on the host's real samplers, masks, ControlNets, guidance and memory management."""

import comfy.hooks
import comfy.model_management as memory
import comfy.samplers
import comfy.sd
import pytest
import torch
from comfy_extras.nodes_custom_sampler import BasicScheduler, CFGGuider, Noise_RandomNoise, SamplerCustomAdvanced
from comfy_extras.nodes_easycache import EasyCacheNode
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from pack.nodes.host.lora import apply_lora
from pack.nodes.sampling import SetModality

import nodes as host

from .tiny import (
    FRAMES,
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
        alone = SetModality.execute(model, f"{name} only").result[0]
        answers[name] = ksampler(spied(alone, seen), pair=latent(FRAMES))
        assert seen == [(2 * FRAMES, [1, 0])] * 2
    assert gap(answers["video"], answers["depth"]) > 1e-3
    back = SetModality.execute(alone, "joint").result[0]
    assert torch.equal(ksampler(back), ksampler(model))


def test_set_modality_wants_a_model_of_both():
    with pytest.raises(ValueError, match="video and depth"):
        SetModality.execute(tiny_model(modalities=1, label=False, cross_modal="none"), "depth only")


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


@pytest.mark.parametrize("dtype, limit", [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_half_precision_weights(clip, dtype, limit):
    out = ksampler(tiny_model(dtype=dtype))
    assert torch.isfinite(out).all() and 0 < gap(out, clip) < limit


def test_a_weight_that_is_missing_is_refused():
    from pack.nodes.host.model import native_model

    state = tiny_weights(tiny_config())
    del state["conv_out.weight"]
    with pytest.raises(ValueError, match="1 are missing.*conv_out.weight"):
        native_model(tiny_config(), state)


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


def on(device: str, patcher, part: float) -> list[str]:
    """Load a part of the model's bytes to a device and name the tensors that nothing would bring there."""
    size = sum(p.numel() * p.element_size() for p in patcher.model.parameters())
    patcher.load(torch.device(device), lowvram_model_memory=int(size * part), full_load=part >= 1)
    return [
        f"{name}.{key}"
        for name, module in patcher.model.diffusion_model.named_modules()
        for key, tensor in module.named_parameters(recurse=False)
        if tensor.device.type != device and not getattr(module, "comfy_cast_weights", False)
    ]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("temporal", ["native", "motion_modules"])
def test_no_weight_is_left_behind_when_a_part_of_the_model_is_on_the_gpu(part, temporal):
    patcher = tiny_model(temporal=temporal)
    assert not on("meta", patcher, part)  # meta stands for the GPU: tensors there hold nothing
    moved = [p.device.type for p in patcher.model.diffusion_model.parameters()].count("meta")
    assert (moved > 0) == (part > 0)


def test_a_model_that_is_partly_loaded_answers_the_same(clip):
    patcher = tiny_model()
    assert not on("cpu", patcher, 0.3)
    assert any(getattr(m, "prev_comfy_cast_weights", None) is not None for m in patcher.model.modules())
    assert gap(ksampler(patcher), clip) < 1e-6


def test_unload_and_sample_again(model, clip):
    memory.unload_all_models()
    assert torch.equal(ksampler(model), clip)


def test_a_deep_copy_has_weights_of_its_own(model, clip):
    copy = model.clone(force_deepcopy=True)
    assert torch.equal(ksampler(copy), clip)
    mine, other = (m.model.diffusion_model.conv_in.weight for m in (model, copy))
    assert mine.data_ptr() != other.data_ptr()


TARGET = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FORMS = {
    "kohya": ("lora_unet_" + TARGET.replace(".", "_"), "lora_down.weight", "lora_up.weight"),
    "host": ("diffusion_model." + TARGET, "lora_down.weight", "lora_up.weight"),
    "host, A and B": ("diffusion_model." + TARGET, "lora_A.weight", "lora_B.weight"),
    "PEFT": ("unet." + TARGET, "lora_A.weight", "lora_B.weight"),
    "PEFT adapter": ("base_model.model." + TARGET, "lora_A.weight", "lora_B.weight"),
}


def lora(form: str) -> dict[str, torch.Tensor]:
    name, down, up = FORMS[form]
    return {f"{name}.{down}": noise((4, 64), 1), f"{name}.{up}": noise((64, 4), 2)}


@pytest.mark.parametrize("form", ["kohya", "host", "host, A and B"])
def test_stock_lora_loading(model, clip, form):
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora(form), 1.0, 0.0)
    out = ksampler(patched)
    assert gap(out, clip) > 1e-3
    assert torch.equal(out, ksampler(apply_lora(model, lora("host"), 1.0)))
    assert torch.equal(ksampler(model), clip)


@pytest.mark.parametrize("form", ["PEFT", "PEFT adapter"])
def test_loras_of_diffusers_are_converted(model, form):
    assert not comfy.sd.load_lora_for_models(model, None, lora(form), 1.0, 0.0)[0].patches
    assert set(apply_lora(model, lora(form), 1.0).patches) == {f"diffusion_model.{TARGET}.weight"}
    with pytest.raises(ValueError, match="None of the 1 tensors.*nothing.like"):
        apply_lora(model, {"nothing.like.it": noise((1,))}, 1.0)


def test_a_lora_under_partial_load(model):
    patched = apply_lora(tiny_model(), lora("host"), 1.0)
    whole = ksampler(apply_lora(model, lora("host"), 1.0))
    assert not on("cpu", patched, 0.1)
    assert gap(ksampler(patched), whole) < 1e-5


def test_a_lora_for_one_prompt_only(model, clip):
    hooks = comfy.hooks.create_hook_lora(lora("host"), 1.0, 0.0)
    positive = comfy.hooks.set_hooks_for_conditioning(conditioning(1), hooks)
    out = ksampler(model, positive)
    assert gap(out, clip) > 1e-4
    assert gap(out, ksampler(apply_lora(model, lora("host"), 1.0))) > 1e-4
    assert torch.equal(ksampler(model), clip)
