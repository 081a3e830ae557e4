"""Weights of every kind of number that the host's own loader opens: the same pictures as there, or a sentence."""

import json

import comfy.sd
import pytest
import torch
from pack.models.files import open_character, open_controlnet, open_model, save_model
from pack.models.unet.config import MIMO, SD1, TINY
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.host.unet.model import native_model
from pack.nodes.unet.loaders import open_video_model
from pack.nodes.unet.motion_module import with_motion
from safetensors.torch import save_file
from tiny.files import random_state
from tiny.model import (
    PICTURES,
    conditioning,
    controlled,
    gap,
    hints,
    ksampler,
    latent,
    tiny_config,
    tiny_model,
    tiny_weights,
)

F32, F16, BF16, E4, E5 = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2
KINDS = {"fp32": F32, "fp64": torch.float64, "fp16": F16, "bf16": BF16, "fp8 e4m3fn": E4, "fp8 e5m2": E5}
SHAPE = {
    "image_size": 32, "in_channels": 4, "model_channels": 320, "num_res_blocks": [1], "channel_mult": [1],
    "transformer_depth": [1], "transformer_depth_middle": 1, "num_heads": 8, "context_dim": 768,
    "use_spatial_transformer": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures():
    """Stable Diffusion 1.5 as the host knows it, with one of its four levels."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import disable_weight_init

    unet = UNetModel(
        **SHAPE, out_channels=4, transformer_depth_output=[1, 1], operations=disable_weight_init, dtype=F32
    )
    return random_state(unet, 3)


def stock(path):
    """What Load Diffusion Model samples."""
    return ksampler(comfy.sd.load_diffusion_model(str(path)), pair=latent(2))


def ours(path):
    return ksampler(open_video_model(str(path))[0], pair=latent(2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_model_samples_as_in_the_hosts_loader(pictures, tmp_path, kind):
    path = tmp_path / "sd15.safetensors"
    save_file({name: value.to(KINDS[kind]) for name, value in pictures.items()}, path)
    assert gap(ours(path), stock(path)) < 2e-3


def test_mixed_kinds_of_numbers_sample_as_in_the_hosts_loader(pictures, tmp_path):
    path = tmp_path / "sd15.safetensors"
    turns = [F16, F32, BF16, E4]
    save_file({name: value.to(turns[i % 4]) for i, (name, value) in enumerate(pictures.items())}, path)
    assert gap(ours(path), stock(path)) < 2e-3


def scaled(state, form, kind):
    """Linear weights in fp8 with a scale each, as tools for ComfyUI write them; the rest in fp16."""
    out, layers = {}, {}
    for name, value in state.items():
        if value.ndim != 2 or not name.endswith(".weight") or "transformer" not in name:
            out[name] = value.half()
            continue
        module, scale = name.removesuffix(".weight"), value.abs().max() / torch.finfo(kind).max
        out[name] = (value / scale).to(kind)
        out[f"{module}.{'scale_weight' if form == 'scaled_fp8' else 'weight_scale'}"] = scale.float()
        layers[module] = {"format": str(kind).removeprefix("torch.")}
        if form == "comfy_quant":
            out[f"{module}.comfy_quant"] = torch.tensor(list(json.dumps(layers[module]).encode()), dtype=torch.uint8)
    if form == "scaled_fp8":
        out["scaled_fp8"] = torch.zeros(0, dtype=kind)
    return out, {"_quantization_metadata": json.dumps({"layers": layers})} if form == "metadata" else {}


@pytest.mark.parametrize("form, kind", [("scaled_fp8", E4), ("comfy_quant", E4), ("comfy_quant", E5), ("metadata", E4)])
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_scaled_fp8_samples_as_in_the_hosts_loader(pictures, tmp_path, form, kind, prefix):
    path = tmp_path / "scaled.safetensors"
    state, metadata = scaled(pictures, form, kind)
    if prefix and form == "metadata":
        pytest.skip("the host looks for these names without a prefix")
    save_file({prefix + name: value for name, value in state.items()}, path, metadata)
    expected = ksampler(comfy.sd.load_diffusion_model(str(path)), pair=latent(2))
    assert gap(ours(path), expected) < 0.02, "the host multiplies in another order"
    plain = {name: value.to(kind) if value.ndim == 2 else value.half() for name, value in pictures.items()}
    save_file(plain, tmp_path / "plain.safetensors")
    assert gap(ours(tmp_path / "plain.safetensors"), expected) > gap(ours(path), expected)


@pytest.mark.parametrize("form", ["nvfp4", "int8_tensorwise", "???"])
def test_another_quantisation_is_refused_by_its_name(pictures, tmp_path, form):
    state, _ = scaled(pictures, "comfy_quant", E4)
    state = {n: torch.tensor(list(json.dumps({"format": form}).encode()), dtype=torch.uint8) if n.endswith("comfy_quant") else v
             for n, v in state.items()}  # fmt: skip
    save_file(state, tmp_path / "q.safetensors")
    with pytest.raises(ValueError, match=r"q.safetensors is quantised in a form that is unknown here \("):
        open_model(tmp_path / "q.safetensors")


def saved(tmp_path, state, config, kind):
    return save_model(tmp_path / "a.safetensors", {name: value.to(kind) for name, value in state.items()}, config)


HALF = [F16, BF16, E4, E5]


@pytest.mark.parametrize("kind", HALF, ids=str)
def test_motion_modules_and_pairs_and_controlnets_sample(tmp_path, kind):
    """Each as its own numbers cast to full precision beforehand."""
    config = tiny_config()
    state = tiny_weights(config)
    cast = {name: value.to(kind).float() for name, value in state.items()}
    expected = ksampler(native_model(config, cast))
    pair = open_video_model(str(saved(tmp_path, state, config, kind)))[0]
    assert gap(ksampler(pair), expected) < 1e-4
    net = with_switches(SD1, **TINY, cross_attention_dim=768)
    state = random_state(PoseControlNet(net), 2)
    opened = native_controlnet(*open_controlnet(saved(tmp_path, state, net, kind))[:2])
    direct = native_controlnet(net, {name: value.to(kind).float() for name, value in state.items()})
    steered = [ksampler(tiny_model(**PICTURES), *controlled(one, hints(2)), latent(2)) for one in (opened, direct)]
    assert gap(*steered) < 1e-4 and steered[0].isfinite().all()
    moving = tiny_config(**PICTURES | {"temporal": "motion_modules"})
    state = {name: value for name, value in tiny_weights(moving, 4).items() if ".motion_modules." in name}
    path = tmp_path / "mm.safetensors"
    save_file({name: value.to(kind) for name, value in state.items()}, path)
    clips = [
        ksampler(with_motion(tiny_model(**PICTURES), p)[0], pair=latent(4))
        for p in (path, saved_plain(tmp_path, state, kind))
    ]
    assert gap(*clips) < 1e-4


def saved_plain(tmp_path, state, kind):
    path = tmp_path / "plain.safetensors"
    save_file({name: value.to(kind).float() for name, value in state.items()}, path)
    return path


@pytest.mark.parametrize("kind", HALF, ids=str)
def test_character_models_open(tmp_path, kind):
    config = with_switches(MIMO, **{**TINY, "attention_head_dim": 8}, motion_code=(4, 4, 8, 8))
    state = random_state(VideoUNet(config), 3)
    _, found, _ = open_character(saved(tmp_path, state, config, kind))
    assert all(torch.equal(found[name].float(), value.to(kind).float()) for name, value in state.items())
    assert native_model(config, found).model.video == config


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e8m0fnu], ids=str)
def test_numbers_that_are_no_weights_are_refused(tmp_path, kind):
    config = tiny_config(**PICTURES | {"attention_head_dim": 8})
    state = tiny_weights(config)
    state["mid_block.resnets.0.conv1.weight"] = torch.zeros(state["mid_block.resnets.0.conv1.weight"].shape).to(kind)
    save_file(state, tmp_path / "q.safetensors")
    with pytest.raises(ValueError, match="q.safetensors stores mid_block.resnets.0.conv1.weight as .*quantised"):
        open_model(tmp_path / "q.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(tmp_path, kind, value):
    if (kind, value) == ("fp8 e4m3fn", float("inf")):
        pytest.skip("this kind has no infinity")
    config = tiny_config(**PICTURES | {"attention_head_dim": 8})
    state = {name: one.to(KINDS[kind]) for name, one in tiny_weights(config).items()}
    state["conv_in.bias"][0] = value
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match="bad.safetensors has NaN or infinite numbers in conv_in.bias"):
        open_model(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("dtype, largest", [(F16, 65504), (E4, 448)])
def test_weights_beyond_the_precision_that_is_computed_in_are_refused(dtype, largest):
    """The host would cast them to infinity or NaN."""
    config = tiny_config(**PICTURES)
    state = tiny_weights(config)
    state["mid_block.resnets.0.conv1.weight"][0, 0, 0, 0] = largest * 1.5
    with pytest.raises(ValueError, match=r"mid_block.resnets.0.conv1.weight has numbers up to [\d.]+, more than"):
        native_model(config, state, dtype=dtype)
    assert ksampler(native_model(config, state, dtype=F32), conditioning(1), pair=latent(2)).shape
