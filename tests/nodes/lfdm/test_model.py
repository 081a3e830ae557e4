"""The flow model on the host's real samplers: its latent, schedule, threshold, conditioning and memory management."""

from dataclasses import replace

import comfy.model_management as memory
import comfy.ops
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from pack.models.flow.warp import colour_wheel
from pack.models.lfdm.config import TINY_UNET
from pack.models.lfdm.diffusion import FlowSchedule, threshold
from pack.models.lfdm.state import from_network, identity_grid
from pack.models.lfdm.unet import FlowUNet, guided, up
from pack.nodes.host.lfdm.model import (
    HostDeconv,
    native_flow_model,
    text_conditioning,
    use_flow_layers,
    with_still,
)
from pack.nodes.host.lfdm.sampling import THRESHOLD, apply_threshold
from tiny.model import gap, noise, random_weights, spied, without_threshold
from torch import nn

import nodes as host

FRAMES, SIDE = 5, 8
OFFSETS = replace(TINY_UNET, prediction="v", motion="offset", motion_scale=4.0)
ROOTS = replace(TINY_UNET, motion="root", motion_scale=2.0, residual=True)
NATOPS = replace(TINY_UNET, upsample="conv", null="learned")


def weights(config=TINY_UNET, seed: int = 0) -> dict[str, torch.Tensor]:
    network = random_weights(FlowUNet(config), seed, 0.7)
    return {name: value + 1 if name.endswith(("gamma", "norm.weight")) else value
            for name, value in network.state_dict().items()}  # fmt: skip


def network(config=TINY_UNET, seed: int = 0) -> FlowUNet:
    net = FlowUNet(config).eval().requires_grad_(False)
    net.load_state_dict(weights(config, seed))
    return net


@pytest.fixture(scope="module")
def model():
    return native_flow_model(TINY_UNET, weights())


def conditioning(seed: int | None = 1, features: torch.Tensor | None = None) -> list:
    """A text, or none, and a picture."""
    text = torch.zeros(1, 768) if seed is None else noise((1, 768), seed)
    features = noise((1, 12, SIDE, SIDE), 20) if features is None else features
    return with_still(text_conditioning(text), features)


def sample(
    model, positive=None, negative=None, *, cfg=1.0, steps=3, sampler="euler", scheduler="normal", clips=1, **rest
):
    latent = {"samples": torch.zeros(clips, 3, FRAMES, SIDE, SIDE), **rest}
    positive, negative = positive or conditioning(), negative or conditioning(None)
    return host.common_ksampler(model, 7, steps, cfg, sampler, scheduler, positive, negative, latent)[0]["samples"]


def watched(model, calls: list[dict]):
    """A clone that notes what a sampler gets at every step, outside of the threshold."""

    def note(executor, x, sigma, *args):
        calls.append({"input": x, "sigma": sigma, "denoised": executor(x, sigma, *args)})
        return calls[-1]["denoised"]

    clone = model.clone()
    clone.remove_wrappers_with_key(WrappersMP.PREDICT_NOISE, THRESHOLD)
    clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "watch", note)
    clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, THRESHOLD, apply_threshold)
    return clone


def test_ksampler_gives_the_same_flow_twice_and_text_and_picture_change_it(model):
    flow = sample(model)
    assert flow.shape == (1, 3, FRAMES, SIDE, SIDE) and flow.abs().max() <= 1
    assert torch.equal(sample(model), flow)
    assert gap(sample(model, conditioning(2)), flow) > 1e-3
    assert gap(sample(model, conditioning(1, noise((1, 12, SIDE, SIDE), 3))), flow) > 1e-3


@pytest.mark.parametrize("config", [TINY_UNET, NATOPS], ids=["deconv", "conv"])
def test_the_hosts_layers_answer_what_the_network_answers(config):
    model, net = native_flow_model(config, weights(config)), network(config)
    x, t, text = noise((2, 3, FRAMES, SIDE, SIDE)), torch.tensor([3.0, 700.0]), noise((2, 768))
    part = net.still_part(noise((2, 12, SIDE, SIDE), 5))
    theirs = net(x, t, text=text, still_part=part)
    assert gap(model.model.diffusion_model(x, t, text=text, still_part=part), theirs) < 1e-5


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", ["deconv", "conv"])
def test_layers_that_the_host_has_otherwise(monkeypatch, kind, streamed):
    """A transposed convolution over clips, and a border that its detour around a fault of cuDNN would leave out."""
    monkeypatch.setattr(comfy.ops, "NVIDIA_MEMORY_CONV_BUG_WORKAROUND", True)
    layers = nn.Sequential(*([up(4, kind)] if kind == "deconv" else up(4, kind))).bfloat16()
    x = noise((2, 4, 3, 5, 6)).bfloat16()
    expected = layers(x)
    assert expected.shape == (2, 4, 3, 10, 12)
    use_flow_layers(layers, comfy.ops.manual_cast)
    for layer in layers:
        layer.comfy_cast_weights = streamed
    assert torch.equal(layers(x), expected)


def test_the_schedule_is_the_authors_to_the_last_step(model):
    sampling, tables = model.model.model_sampling, FlowSchedule().tables
    kept = tables["alphas_cumprod"].double()
    assert torch.allclose(sampling.sigmas.double(), ((1 - kept) / kept).sqrt(), rtol=2e-3)
    assert 60_000 < sampling.sigma_max < 68_000
    assert torch.equal(sampling.timestep(sampling.sigmas), torch.arange(1000))


@pytest.mark.parametrize("scheduler", ["normal", "simple", "sgm_uniform", "ddim_uniform", "beta"])
def test_every_advised_schedule_stays_in_range(model, scheduler):
    for sampler in ("euler", "dpmpp_2m"):
        flow = sample(model, sampler=sampler, scheduler=scheduler)
        assert torch.isfinite(flow).all() and flow.abs().max() < 1.5, sampler


def test_without_the_threshold_the_same_run_diverges(model):
    """The loader installs it: taken out, a network that errs a little throws the flow far away."""
    assert model.get_wrappers(WrappersMP.PREDICT_NOISE, THRESHOLD) == [apply_threshold]
    assert sample(model, steps=10).abs().max() <= 1
    assert sample(without_threshold(model), steps=10).abs().max() > 10


@pytest.mark.parametrize("config", [OFFSETS, ROOTS], ids=["offsets", "roots"])
def test_a_model_of_offsets_samples_what_its_own_network_means_and_hands_out_grids(config):
    """One step from pure noise by the host against the same by the network itself."""
    model, net, calls = native_flow_model(config, weights(config)), network(config), []
    output = sample(watched(model, calls), steps=1)
    t, schedule = torch.tensor([999]), FlowSchedule.of(config)
    x = model.model.model_sampling.calculate_input(calls[0]["sigma"], calls[0]["input"])
    answer = net(x, t, text=noise((1, 768), 1), still_part=net.still_part(noise((1, 12, SIDE, SIDE), 20)))
    mine = schedule.clean(x, answer, t)
    assert gap(calls[0]["denoised"], mine) < 1e-4
    assert gap(output, from_network(mine, config)) < 1e-2  # a noise of 64,166 taken off in single precision
    assert (output[:, :2] - identity_grid(output)).abs().max() <= 1 + 1e-2


@pytest.mark.parametrize("config", [OFFSETS, ROOTS], ids=["offsets", "roots"])
def test_a_given_flow_comes_back_from_a_model_of_offsets(config):
    model, given = native_flow_model(config, weights(config)), noise((1, 3, FRAMES, SIDE, SIDE), 9).clamp(-1, 1)
    latent = {"samples": given, "noise_mask": torch.zeros(1, 1, FRAMES, SIDE, SIDE)}
    out = host.common_ksampler(model, 7, 3, 1.0, "euler", "normal", conditioning(), conditioning(None), latent)[0]
    assert gap(out["samples"], given) < 1e-5


def test_guidance_and_null_text_are_those_of_the_network():
    """One prediction of the host against the same by the network itself, for both kinds of null."""
    for config in (TINY_UNET, NATOPS):
        model, net, calls = native_flow_model(config, weights(config)), network(config), []
        sample(watched(model, calls), cfg=2.5, steps=1)
        x, sigma = calls[0]["input"], calls[0]["sigma"]
        sampling, features = model.model.model_sampling, noise((1, 12, SIDE, SIDE), 20)
        inputs = sampling.calculate_input(sigma, x), sampling.timestep(sigma).float()
        answer = guided(net, *inputs, net.still_part(features), noise((1, 768), 1), 2.5)
        theirs = threshold(sampling.calculate_denoised(sigma, answer, x))
        assert gap(calls[0]["denoised"], theirs) < 1e-4


def test_two_clips_are_two_and_guidance_is_batched(model):
    calls = []
    flow = sample(spied(model, calls), cfg=2.0, clips=2, steps=2)
    assert calls == [(4, [1, 0])] * 2
    assert gap(flow[1], flow[0]) > 1e-3


def test_a_mask_keeps_frames(model):
    given = noise((1, 3, FRAMES, SIDE, SIDE), 9).clamp(-1, 1)
    mask = torch.ones(1, 1, FRAMES, SIDE, SIDE)
    mask[:, :, 0] = 0
    latent = {"samples": given, "noise_mask": mask}
    out = host.common_ksampler(model, 7, 3, 1.0, "euler", "normal", conditioning(), conditioning(None), latent)[0]
    assert gap(out["samples"][:, :, 0], given[:, :, 0]) < 1e-5 and gap(out["samples"][:, :, 1], given[:, :, 1]) > 0.1


def test_cancel_stops_inside_a_forward_pass(model):
    calls, done = [], []
    cancel = lambda x: memory.interrupt_current_processing(len(calls) == 2)
    hook = model.model.diffusion_model.occlusion_map.register_forward_hook(lambda *_: done.append(1))
    try:
        with pytest.raises(memory.InterruptProcessingException):
            sample(spied(model, calls, cancel), steps=4)
    finally:
        memory.interrupt_current_processing(False)
        hook.remove()
    assert len(calls) == 2 and len(done) == 1


@pytest.mark.parametrize("positive, words", [
    (text_conditioning(noise((1, 768))), r"connect Encode Still Image \(Flow\)"),
    (conditioning(1, noise((1, 256, SIDE, SIDE))), "12 channels.*256"),
    (conditioning(1, noise((1, 12, 16, SIDE))), "8 x 16 points, got 8 x 8.*Empty Latent for Model to 32 x 64 pixels"),
    (with_still(text_conditioning(noise((1, 512))), noise((1, 12, SIDE, SIDE))), "768 numbers.*512.*clip of Load Flow Model"),
])  # fmt: skip
def test_a_conditioning_that_does_not_fit_is_refused_before_sampling(model, positive, words):
    calls = []
    with pytest.raises(ValueError, match=words):
        sample(spied(model, calls), positive)
    assert not calls


@pytest.mark.parametrize("shape", [(4, 4, 8, 8), (1, 3, 5, 8, 10)])
def test_a_latent_that_does_not_fit_is_refused(model, shape):
    with pytest.raises(ValueError, match=r"flow latent \(clips, 3, frames"):
        latent = {"samples": noise(shape)}
        host.common_ksampler(model, 7, 2, 1.0, "euler", "normal", conditioning(), conditioning(None), latent)


def test_preview_shows_the_motion_as_colours(model):
    from latent_preview import Latent2RGBPreviewer

    form = model.model.latent_format
    previewer = Latent2RGBPreviewer(form.latent_rgb_factors, None, form.latent_rgb_factors_reshape)
    for frames in (1, 3, 40):
        picture = previewer.decode_latent_to_preview(noise((1, 3, frames, 8, 12)))
        assert picture.size == (48, 8)
    still = torch.zeros(1, 3, 5, 8, 8)
    still[:, 2] = 1
    assert previewer.decode_latent_to_preview(still).getcolors() == [(4 * 64, (255, 255, 255))]


def test_opposite_directions_have_opposite_colours():
    red, cyan, white = colour_wheel(torch.tensor([[1.0, 0], [-1, 0], [0, 0]]), 1.0)
    assert torch.allclose(red, torch.tensor([1, 0.25, 0.25])) and torch.allclose(cyan, torch.tensor([0, 0.75, 0.75]))
    assert torch.equal(white, torch.ones(3))


def test_no_weight_stays_behind_when_the_model_is_streamed(model):
    """Every weight lies in a layer that the host casts; the gains of the norms are moved by their own forward."""
    unet = model.model.diffusion_model
    leaves = [module for module in unet.modules() if module._parameters and not hasattr(module, "comfy_cast_weights")]
    assert {type(module).__name__ for module in leaves} == {"ChannelNorm"}
    assert any(isinstance(module, HostDeconv) for module in unet.modules())


def test_a_copy_and_half_weights_sample_nearly_the_same(model):
    function, arguments = model.cached_patcher_init
    again = function(*arguments)
    assert torch.equal(sample(again), sample(model)) and again.get_wrappers(WrappersMP.PREDICT_NOISE, THRESHOLD) == [
        apply_threshold
    ]
    half = native_flow_model(TINY_UNET, weights(), dtype=torch.float16)
    assert (sample(half) - sample(model)).abs().mean() < 0.01


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="1 are missing and 0 are left over"):
        native_flow_model(TINY_UNET, {name: value for name, value in weights().items() if name != "final_conv.1.bias"})
