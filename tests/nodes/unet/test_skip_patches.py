"""FreeU and others that change skips, beside the host's own U-Net with the same weights; AnimateDiff's noise schedule."""

from dataclasses import replace

import pytest
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.ops import disable_weight_init
from comfy_extras.nodes_freelunch import FreeU, FreeU_V2
from pack.models.files.ldm import in_diffusers_words
from pack.models.unet.config import SD1
from pack.nodes.host.unet.model import native_model
from tiny.files import random_state
from tiny.model import ksampler, noise, tiny_model

WIDTH = 64


@pytest.fixture(scope="module")
def pair_of_networks():
    """The host's U-Net and ours, with the same weights."""
    host = UNetModel(
        image_size=32, in_channels=4, out_channels=4, model_channels=WIDTH, num_res_blocks=[2, 2, 2],
        channel_mult=[1, 2, 4], transformer_depth=[1, 1, 1, 1, 0, 0], num_heads=8, context_dim=768,
        transformer_depth_output=[1, 1, 1, 1, 1, 1, 0, 0, 0], transformer_depth_middle=1, use_spatial_transformer=True,
        operations=disable_weight_init, dtype=torch.float32,
    ).eval()  # fmt: skip
    state = {name: value * 2 if value.ndim > 1 else value for name, value in random_state(host, 3).items()}
    host.load_state_dict(state)
    widths = (WIDTH, 2 * WIDTH, 4 * WIDTH)
    config = replace(SD1, block_out_channels=widths, attention_levels=(True, True, False))
    ours = {new: state[old] for new, old in in_diffusers_words(list(state)).items()}
    return host, native_model(config, ours)


@pytest.mark.parametrize("node", [FreeU, FreeU_V2])
def test_freeu_is_what_it_is_in_the_hosts_own_unet(pair_of_networks, node):
    host, model = pair_of_networks
    patched = node.execute(model, 1.3, 1.4, 0.9, 0.2).result[0]
    options, seen = patched.model_options["transformer_options"], []
    patch = options["patches"]["output_block_patch"][0]

    def spy(x, skip, here):
        seen.append((tuple(x.shape), tuple(skip.shape), here["block"]))
        return patch(x, skip, here)

    options = {"patches": {"output_block_patch": [spy]}}
    x, time, context = noise((2, 4, 16, 16)), torch.tensor([300.0, 300.0]), noise((2, 5, 768), 1)
    with torch.inference_mode():
        theirs = host(x.clone(), time, context, transformer_options=dict(options))
        calls, seen[:] = list(seen), []
        net = model.model.diffusion_model
        answer = net(x.clone(), time, context, transformer_options=dict(options))
        plain = net(x.clone(), time, context, transformer_options={})
    assert calls == seen and len(seen) == 9
    assert (answer - theirs).abs().max() / theirs.abs().max() < 1e-5
    assert (answer - plain).abs().max() / plain.abs().max() > 1e-2


def test_freeu_on_a_pair_through_the_sampler():
    model = tiny_model()
    plain, patched = ksampler(model), ksampler(FreeU_V2.execute(model, 1.5, 1.6, 0.5, 0.1).result[0])
    assert torch.isfinite(patched).all() and (plain - patched).abs().max() > 1e-3


def test_motion_modules_bring_the_noise_they_were_trained_on():
    """Betas that rise evenly from 0.00085 to 0.012; every other model has the host's, whose roots do."""
    pictures = {"modalities": 1, "label": False, "cross_modal": "none", "background": "none"}
    for temporal, betas in (
        ("motion_modules", torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)),
        ("none", torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2),
    ):
        sampling = tiny_model(temporal=temporal, **pictures).model.model_sampling
        kept = (1 - betas).cumprod(0)
        assert torch.allclose(sampling.sigmas.double(), ((1 - kept) / kept).sqrt(), rtol=1e-4), temporal
