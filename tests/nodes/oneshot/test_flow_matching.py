"""Inversion and FlowEdit on ComfyUI's own models of flow matching, with its own samplers, guiders and masks."""

import statistics
import time

import comfy.model_base
import pytest
import torch
from comfy_execution.graph_utils import ExecutionBlocker
from comfy_extras.nodes_custom_sampler import (
    BasicGuider,
    BasicScheduler,
    CFGGuider,
    FlipSigmas,
    KSamplerSelect,
    Noise_EmptyNoise,
    Noise_RandomNoise,
    SamplerCustomAdvanced,
    SplitSigmas,
)
from pack.nodes.host.oneshot.inversion import sample
from pack.nodes.oneshot.flow_edit import FlowEdit
from pack.nodes.oneshot.inversion import DDIMInversionSampler, InvertVideo
from tiny.flow_matching import KINDS, clip_of, flow_model, prompt, wide
from tiny.host_model import host_model

STEPS = 10
FAST, EXACT = {"inversion": "fast"}, {"inversion": "exact", "iterations": 12}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    return flow_model(kind)


def apart(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def scheduled(model, steps=STEPS):
    return BasicScheduler.execute(model, "simple", steps, 1.0).result[0]


def custom(noise, guider, sampler, sigmas, latent):
    return SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).result[0]["samples"]


def invert(model, kind, inversion=EXACT):
    return InvertVideo.execute(model, prompt(kind, 1), clip_of(kind), STEPS, inversion, "simple").result


def test_an_exact_inversion_gives_the_clip_back(model, kind):
    latent, sigmas, error, _, report, noise = invert(model, kind)
    assert error < 1e-5 and "Warning" not in report
    guider, euler = BasicGuider.execute(model, prompt(kind, 1)).result[0], KSamplerSelect.execute("euler").result[0]
    back = custom(noise, guider, euler, sigmas, clip_of(kind))
    assert apart(back, clip_of(kind)["samples"]) < 1e-4
    assert isinstance(latent, ExecutionBlocker) and "noise and sigmas" in latent.message
    other = custom(noise, BasicGuider.execute(model, prompt(kind, 2)).result[0], euler, sigmas, clip_of(kind))
    assert apart(other, back) > 1e-2, "another prompt gives another clip"


def test_the_sampler_finds_the_same_noise(model, kind):
    sampler = DDIMInversionSampler.execute(EXACT).result[0]
    guider = BasicGuider.execute(model, prompt(kind, 1)).result[0]
    found = custom(Noise_EmptyNoise(), guider, sampler, scheduled(model), clip_of(kind))
    assert apart(model.model.process_latent_in(found), invert(model, kind)[5].noise) < 1e-4


def test_a_single_pass_asks_the_model_once_a_step(model, kind, monkeypatch):
    calls = []
    apply = comfy.model_base.BaseModel.apply_model
    monkeypatch.setattr(comfy.model_base.BaseModel, "apply_model", lambda *a, **k: calls.append(1) or apply(*a, **k))
    guider, sampler = (
        BasicGuider.execute(model, prompt(kind, 1)).result[0],
        DDIMInversionSampler.execute(FAST).result[0],
    )
    custom(Noise_EmptyNoise(), guider, sampler, scheduled(model), clip_of(kind))
    assert len(calls) == STEPS
    assert invert(model, kind, FAST)[2] < 0.5


def test_a_single_pass_adds_next_to_nothing_to_a_step_of_euler(kind, monkeypatch):
    """Seconds of this thread outside the network, at most a twentieth of a step more than those of the stock sampler.

    How long whole steps take, other work on the machine included: python3 scripts/host.py bench inversion --parts flow
    """
    wide_model, latent = wide(kind)
    apply, inside = comfy.model_base.BaseModel.apply_model, []

    def timed(*args, **kwargs):
        begin = time.thread_time()
        out = apply(*args, **kwargs)
        inside.append(time.thread_time() - begin)
        return out

    monkeypatch.setattr(comfy.model_base.BaseModel, "apply_model", timed)
    sigmas = scheduled(wide_model, 2)
    samplers = {
        "euler": KSamplerSelect.execute("euler").result[0],
        "fast": DDIMInversionSampler.execute(FAST).result[0],
    }
    outside = {name: [] for name in samplers}
    for name in ("euler", "fast") * 4:
        inside.clear()
        begin = time.thread_time()
        sample(wide_model, prompt(kind, 1), samplers[name], sigmas, latent)
        assert len(inside) == 2
        outside[name].append((time.thread_time() - begin - sum(inside)) / 2)
    added = statistics.median(outside["fast"]) - statistics.median(outside["euler"])
    assert added < 0.05 * statistics.median(inside), (added, inside)


def test_a_step_that_does_not_converge_is_told(kind):
    wild = flow_model(kind, strength=40.0)
    _, _, error, _, report, _ = invert(wild, kind, {"inversion": "exact", "iterations": 2})
    assert error > 0.05 and "Warning: the clip is not reproduced" in report


def test_rising_sigmas_guidance_and_noise_are_refused(model, kind):
    sampler, sigmas = DDIMInversionSampler.execute(FAST).result[0], scheduled(model)
    guider = BasicGuider.execute(model, prompt(kind, 1)).result[0]
    with pytest.raises(ValueError, match="remove Flip Sigmas"):
        custom(Noise_EmptyNoise(), guider, sampler, FlipSigmas.execute(sigmas).result[0], clip_of(kind))
    with pytest.raises(ValueError, match="connect Disable Noise"):
        custom(Noise_RandomNoise(1), guider, sampler, sigmas, clip_of(kind))
    guided = CFGGuider.execute(model, prompt(kind, 1), prompt(kind, 2), 3.0).result[0]
    with pytest.raises(ValueError, match="cfg is 3"):
        custom(Noise_EmptyNoise(), guided, sampler, sigmas, clip_of(kind))


def edit(model, kind, target, latent=None, seed=5, sigmas=None, **more):
    """Guided by both prompts; ComfyUI's attention on CPUs takes no mask of LTX for two prompts at once."""
    cfg = (1.0, 1.0) if kind == "LTX" else (2.0, 2.0)
    prompts = prompt(kind, 1), prompt(kind, target), prompt(kind, 3)
    options = {"average": 1, "free_steps": 0} | more
    guider, sampler = FlowEdit.execute(model, *prompts, *cfg, **options).result
    sigmas = scheduled(model) if sigmas is None else sigmas
    return custom(Noise_RandomNoise(seed), guider, sampler, sigmas, latent or clip_of(kind))


def test_flow_edit_with_the_same_prompts_gives_the_clip_back(model, kind):
    clip = clip_of(kind)["samples"]
    assert apart(edit(model, kind, 1), clip) < 1e-4
    assert apart(edit(model, kind, 1, average=3), clip) < 1e-4


def test_flow_edit_with_other_prompts_changes_the_clip_the_same_way_each_time(model, kind):
    clip = clip_of(kind)["samples"]
    edited = edit(model, kind, 2)
    assert apart(edited, clip) > 1e-3
    assert torch.equal(edited, edit(model, kind, 2)), "the same seed"
    assert not torch.equal(edited, edit(model, kind, 2, seed=6))
    late = SplitSigmas.execute(scheduled(model), STEPS - 2).result[1]
    assert apart(edit(model, kind, 2, sigmas=late), clip) < apart(edited, clip), "fewer steps keep more"
    assert apart(edit(model, kind, 1, free_steps=3), clip) > 1e-3, "the last steps follow the prompt alone"


def test_outside_a_mask_the_clip_stays_bit_for_bit(model, kind):
    latent = clip_of(kind)
    mask = torch.zeros(1, 1, *latent["samples"].shape[-2:])
    mask[..., :1, :] = 1
    out = edit(model, kind, 2, latent={**latent, "noise_mask": mask})
    assert torch.equal(out[..., 1:, :], latent["samples"][..., 1:, :])
    assert not torch.equal(out[..., :1, :], latent["samples"][..., :1, :])


def test_what_flow_edit_cannot_use_is_refused(model, kind):
    _, sampler = FlowEdit.execute(model, *(prompt(kind, i) for i in (1, 2, 3)), 2.0, 2.0, 1, 0).result
    plain = CFGGuider.execute(model, prompt(kind, 1), prompt(kind, 2), 3.0).result[0]
    with pytest.raises(ValueError, match="connect guider of FlowEdit"):
        custom(Noise_RandomNoise(1), plain, sampler, scheduled(model), clip_of(kind))
    with pytest.raises(ValueError, match="an empty latent"):
        edit(model, kind, 2, latent={"samples": torch.zeros(KINDS[kind].latent)})
    with pytest.raises(ValueError, match="sigmas that fall to 0"):
        edit(model, kind, 2, sigmas=FlipSigmas.execute(scheduled(model)).result[0])


def test_flow_edit_refuses_a_model_of_noise():
    model, tokens = host_model(), [[torch.zeros(1, 4, 768), {}]]
    guider, sampler = FlowEdit.execute(model, tokens, tokens, tokens, 2.0, 2.0, 1, 0).result
    with pytest.raises(ValueError, match="use Invert Video to Noise"):
        custom(Noise_RandomNoise(1), guider, sampler, scheduled(model), {"samples": torch.ones(2, 4, 8, 8)})
