"""Each network on a GPU that is not there: torch's fake tensors know their device, and none may meet those of another.

They hold no numbers, so this tells where tensors lie and of what type they are, and nothing about the answer. The host's own
code makes the conditions and calls the network, for two prompts at once, as its samplers do.
"""

from pathlib import Path

import comfy.ldm.modules.attention as attention
import comfy.ldm.wan.model as wan
import comfy.model_management as memory
import comfy.samplers
import pack.models.lfdm.inference as inference_module
import pytest
import torch
from pack.models.baselines.separate import build_network
from pack.models.files import open_character, open_controlnet, open_model
from pack.models.unet.config import ANIMATEDIFF_V2, IDOL, ONE_SHOT_SD1, TINY
from pack.models.unet.switches import with_switches
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from pack.nodes.host.lfdm.model import STILL
from pack.nodes.host.oneshot.conditioning import DEPTH
from pack.nodes.host.pair.boundary import MODALITY
from pack.nodes.host.pair.conditioning import BACKGROUND
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.host.unet.model import native_model
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.lfdm.loaders import open_autoencoder, open_flow
from tiny.ablations import ABLATIONS
from tiny.wan import pair_state
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
GPU = torch.device("cuda", 0)
FRAMES, SIDE = 8, 16


class OneDevice(TorchDispatchMode):
    """No operation sees tensors of two devices; fake tensors alone would let a convolution have its weights elsewhere."""

    may_cross = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default, torch.ops.aten.index.Tensor}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.ndim]
        devices = {str(tensor.device) for tensor in tensors}
        if len(devices) > 1 and func not in self.may_cross:
            raise RuntimeError(f"{func} sees tensors of {' and '.join(sorted(devices))}")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def fake(monkeypatch):
    """Whatever happens inside is fake; the host finds memory enough and the attention that it takes on GPUs."""
    free = lambda device=None, torch_free_too=False: (1e12, 1e12) if torch_free_too else 1e12
    monkeypatch.setattr(memory, "get_free_memory", free)
    monkeypatch.setattr("pack.nodes.host.unet.attention.optimized_attention", attention.attention_pytorch)
    return FakeTensorMode(allow_non_fake_inputs=True)


@pytest.fixture(params=["loaded", "streamed"])
def place(request, fake):
    """Puts a network where the host has it: on the GPU as a whole, or all but the weights of the host's own layers."""

    def put(network):
        with fake:
            for module in network.modules():
                streams = request.param == "streamed" and hasattr(module, "comfy_cast_weights")
                for name, value in module._parameters.items():
                    if value is not None:
                        device = "cpu" if streams and name in ("weight", "bias") else GPU
                        fresh = torch.empty(value.shape, dtype=value.dtype, device=device)
                        module._parameters[name] = torch.nn.Parameter(fresh, requires_grad=False)
                for name, value in module._buffers.items():
                    if value is not None:
                        module._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device=GPU)
                if streams:
                    module.comfy_cast_weights = True
        return network

    return put


def answer(patcher, fake, shape, given: dict, options: dict, control=None):
    """What the host's samplers get from a model for the same conditioning twice."""
    model = patcher.model
    model.device = patcher.load_device = GPU
    model.current_patcher = patcher
    with fake, OneDevice():
        noise, sigma = torch.randn(shape, device=GPU), torch.ones(shape[0], device=GPU)
        conds = []
        for prompt in ("positive", "negative"):
            cond = {name: value() for name, value in given.items()} | {"model_conds": {}, "uuid": prompt}
            cond |= {} if control is None else {"control": control}
            told = {"latent_image": torch.zeros_like(noise), "denoise_mask": None, "seed": 1}
            conds.append(comfy.samplers.encode_model_conds(model.extra_conds, [cond], noise, GPU, prompt, **told))
        options = {"transformer_options": {"sigmas": sigma, **options}}
        return comfy.samplers.calc_cond_batch(model, conds, noise, sigma, options)


def pose_control(fake, place):
    config, state, _ = open_controlnet(WEIGHTS / "controlnet/duet_dance_128_pose.safetensors")
    control = native_controlnet(config, state)
    place(control.control_model)
    control.load_device = GPU
    with fake:
        control.set_cond_hint(torch.rand(FRAMES, 3, 128, 128))
    return control


GIVEN = {
    "dance": lambda c: {"cross_attn": lambda: torch.rand(1, 9, c.token_width),
                        BACKGROUND: lambda: torch.rand(1, 4, SIDE, SIDE)},
    "words": lambda c: {"cross_attn": lambda: torch.rand(1, 9, c.cross_attention_dim),
                        DEPTH: lambda: torch.rand(FRAMES, 1, SIDE, SIDE)},
    "character": lambda c: {"cross_attn": lambda: torch.rand(1, 9, c.cross_attention_dim),
                            REFERENCE: lambda: torch.rand(1, 4, SIDE, SIDE),
                            LAYERS: lambda: torch.rand(FRAMES, 8, SIDE, SIDE),
                            BODY: lambda: (torch.rand(FRAMES, 3, 128, 128),)},
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name, alone", [("dance", None), ("dance", "depth"), ("words", None), ("character", None)])
def test_video_models(fake, place, name, alone, dtype):
    opening = open_character if name == "character" else open_model
    config, state, _ = opening(WEIGHTS / f"diffusion_models/duet_{name}_128.safetensors")
    patcher = native_model(config, state, dtype=dtype)
    place(patcher.model)
    control = pose_control(fake, place) if name == "dance" else None
    if control is not None:
        control.pre_run(patcher.model, lambda percent: percent)
        control.timestep_range = None  # a comparison with numbers that are not there
    frames = FRAMES if alone or config.modalities == 1 else 2 * FRAMES
    options = {MODALITY: alone} if alone else {}
    for made in answer(patcher, fake, (frames, 4, SIDE, SIDE), GIVEN[name](config), options, control):
        assert made.device == GPU and made.shape == (frames, 4, SIDE, SIDE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_the_pair_on_wan(fake, place, dtype, monkeypatch):
    """With its bare parameters: the modulations, and what tells the second clip's kind."""
    monkeypatch.setattr(wan, "optimized_attention", attention.attention_pytorch)
    patcher = native_wan_pair(*pair_state(), dtype=dtype)
    place(patcher.model)
    given = {"cross_attn": lambda: torch.rand(2, 9, 24), SHOWN: lambda: "depth"}
    for made in answer(patcher, fake, (2, 48, 3, 6, 8), given, {}):
        assert made.device == GPU and made.shape == (2, 48, 3, 6, 8)


KINDS = ABLATIONS | {
    "one_shot": ONE_SHOT_SD1,
    "animatediff_v2": ANIMATEDIFF_V2,
    "given": with_switches(IDOL, given="clean", same_place=True),
    "deep": with_switches(IDOL, cross_modal="deep", cross_modal_width=0),
    "no_temporal": with_switches(IDOL, temporal="none"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network(fake, place, kind):
    config = with_switches(KINDS[kind], **TINY)
    patcher = native_model(config, build_network(config).state_dict(), dtype=torch.float16)
    place(patcher.model)
    frames = config.modalities * FRAMES
    given = {"cross_attn": lambda: torch.rand(1, 9, config.token_width or config.cross_attention_dim)}
    if config.background != "none":
        given[BACKGROUND] = lambda: torch.rand(1, 4, SIDE, SIDE)
    for made in answer(patcher, fake, (frames, 4, SIDE, SIDE), given, {}):
        assert made.device == GPU


def test_the_flow_model(fake, place):
    patcher = open_flow(str(WEIGHTS / "flow_models/duet_flow_64.safetensors"))[0]
    flow = place(patcher.model).flow
    given = {"pooled_output": lambda: torch.rand(1, flow.text_width), "cross_attn": lambda: torch.rand(1, 1, flow.text_width),
             STILL: lambda: torch.rand(1, flow.feature_width, SIDE, SIDE)}  # fmt: skip
    for made in answer(patcher, fake, (1, 3, 12, SIDE, SIDE), given, {}):
        assert made.device == GPU
        with fake:
            assert patcher.model.latent_format.latent_rgb_factors_reshape(made).device == GPU


def test_the_flow_autoencoder(fake, monkeypatch):
    file = str(WEIGHTS / "flow_models/duet_flow_codec_64.safetensors")
    autoencoder = open_autoencoder(file, "auto")[0].inference
    monkeypatch.setattr(inference_module, "check_motion", lambda *_: None)  # finite or not: numbers again
    with fake:
        autoencoder.network.to_empty(device=GPU)
        picture, clip = torch.rand(1, 3, 64, 64, device=GPU), torch.rand(4, 3, 64, 64, device=GPU)
        with OneDevice():
            motion = autoencoder.estimate(picture, clip)
            painted = list(autoencoder.render(autoencoder.encode(picture), *motion))
    assert {tensor.device for tensor in (*motion, *painted)} == {GPU}


def test_a_tensor_that_stayed_behind_is_noticed(fake, place):
    config, state, _ = open_model(WEIGHTS / "diffusion_models/duet_words_128.safetensors")
    patcher = native_model(config, state, dtype=torch.float32)
    place(patcher.model)
    last = patcher.model.diffusion_model.conv_out
    with fake:
        last.weight, last.comfy_cast_weights = torch.nn.Parameter(torch.empty(last.weight.shape)), False
    with pytest.raises(RuntimeError, match="convolution.default sees tensors of cpu and cuda:0"):
        answer(patcher, fake, (FRAMES, 4, SIDE, SIDE), GIVEN["words"](config), {})
