"""The threshold of LFDM acts once, whichever guider samples: those of the host, their cfg functions and its caches."""

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_cfg import CFGZeroStar
from comfy_extras.nodes_custom_sampler import BasicGuider, CFGGuider, CFGOverride, DualCFGGuider, DualModelGuider
from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
from comfy_extras.nodes_mahiro import Mahiro
from comfy_extras.nodes_model_advanced import RescaleCFG
from comfy_extras.nodes_perpneg import PerpNegGuider
from pack.models.lfdm.config import TINY_UNET
from pack.models.lfdm.diffusion import threshold
from pack.models.lfdm.unet import FlowUNet
from pack.nodes.host.lfdm.model import native_flow_model, text_conditioning, with_still
from tiny.model import gap, noise, random_weights, spied, without_threshold

FRAMES, SIDE, STEPS = 5, 8, 6


@pytest.fixture(scope="module")
def model():
    return native_flow_model(TINY_UNET, random_weights(FlowUNet(TINY_UNET), 0, 0.7).state_dict())


def conditioning(seed: int | None) -> list:
    text = torch.zeros(1, 768) if seed is None else noise((1, 768), seed)
    return with_still(text_conditioning(text), noise((1, 12, SIDE, SIDE), 20))


WAVE, WALK, EMPTY = conditioning(1), conditioning(2), conditioning(None)
GUIDERS = {
    "Basic Guider": lambda model: BasicGuider.execute(model, WAVE),
    "CFG Guider": lambda model: CFGGuider.execute(model, WAVE, EMPTY, 7.0),
    "CFG Override": lambda model: CFGGuider.execute(CFGOverride.execute(model, 9.0, 0.0, 1.0)[0], WAVE, EMPTY, 1.0),
    "Dual CFG Guider": lambda model: DualCFGGuider.execute(model, WAVE, WALK, EMPTY, 7.0, 7.0, "regular"),
    "Dual CFG Guider, nested": lambda model: DualCFGGuider.execute(model, WAVE, WALK, EMPTY, 7.0, 7.0, "nested"),
    "Dual Model CFG Guider": lambda model: DualModelGuider.execute(model, WAVE, 7.0, model.clone(), EMPTY),
    "Perp-Neg Guider": lambda model: PerpNegGuider.execute(model, WAVE, WALK, EMPTY, 7.0, 1.0),
}
PATCHED = {
    "RescaleCFG": lambda model: RescaleCFG().patch(model, 0.7),
    "Mahiro": lambda model: Mahiro.execute(model),
    "CFGZeroStar": lambda model: CFGZeroStar.execute(model),
    "EasyCache": lambda model: EasyCacheNode.execute(model, 0.9, 0.0, 1.0, False),
    "LazyCache": lambda model: LazyCacheNode.execute(model, 0.9, 0.0, 1.0, False),
}


def sigmas_of(model, scheduler: str = "normal") -> torch.Tensor:
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, STEPS)


def run(guider, sampler: str = "euler") -> tuple[torch.Tensor, list[torch.Tensor]]:
    """(1, 3, F, h, w) and the clean flow of each step, both as the sampler sees them."""
    clean, empty = [], torch.zeros(1, 3, FRAMES, SIDE, SIDE)
    note = lambda step, denoised, x, total: clean.append(denoised)
    sigmas = sigmas_of(guider.model_patcher)
    out = guider.sample(
        noise(empty.shape, 7), empty, comfy.samplers.sampler_object(sampler), sigmas, callback=note, seed=7
    )
    return out, clean


@pytest.mark.parametrize("name", GUIDERS)
def test_every_guider_of_the_host_keeps_the_flow_within_its_limit(model, name):
    out, clean = run(GUIDERS[name](model)[0])
    assert max(one.abs().max() for one in (out, *clean)) < 1.001
    assert all(torch.allclose(threshold(one), one, atol=1e-5) for one in clean), "applied again it would change nothing"
    loose, _ = run(GUIDERS[name](without_threshold(model))[0])
    assert loose.abs().max() > 10, "this case needs the threshold"


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m"])
def test_cfg_guider_samples_the_same_bits_as_with_a_post_cfg_function(model, sampler):
    patched = without_threshold(model)
    patched.set_model_sampler_post_cfg_function(lambda args: threshold(args["denoised"], args["model"].flow.limit))
    for name in ("Basic Guider", "CFG Guider"):
        assert torch.equal(run(GUIDERS[name](model)[0], sampler)[0], run(GUIDERS[name](patched)[0], sampler)[0])


@pytest.mark.parametrize("name", PATCHED)
def test_what_changes_the_guidance_acts_within_the_limit(model, name):
    plain = run(GUIDERS["CFG Guider"](model)[0])[0]
    calls = []
    out = run(GUIDERS["CFG Guider"](spied(PATCHED[name](model)[0], calls))[0])[0]
    assert gap(out, plain) > 1e-3 and out.abs().max() < 1.001
    if "Cache" in name:
        assert 0 < len(calls) < STEPS, "a cache leaves steps out"
