"""Every kind of file that people own, at tiny size with random weights, and every file that must be refused."""

import importlib.util
import json
import os
import random
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.files import Report, open_controlnet, open_model, open_motion_module, save_model
from pack.models.files.ldm import in_diffusers_words, modules
from pack.models.files.opening import duet_config, expected_shapes
from pack.models.files.reading import Weights, read_weights
from pack.models.files.shape import base_fields
from pack.models.unet.config import (
    ANIMATEDIFF_V1,
    ANIMATEDIFF_V2,
    ANIMATEDIFF_V3,
    IDOL,
    SD1,
    SD2_DEPTH,
    TINY,
    TemporalLayers,
)
from pack.models.unet.config_file import to_json
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.motion_module import PositionTable, sinusoids
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from safetensors.torch import save_file

TESTS = Path(__file__).resolve().parents[2]
SHAPE = TINY | {"cross_attention_dim": 48, "attention_head_dim": 8, "cross_modal_width": 512}
SMALL1 = with_switches(SD1, **SHAPE)
LEVELS3 = {"block_out_channels": (32, 64, 96), "attention_levels": (False, True, True), "layers_per_block": 2}
SMALL2 = with_switches(SD2_DEPTH, **LEVELS3, attention_head_dim=(1, 1, 1), cross_attention_dim=40)
NATIVE = with_switches(SMALL1, temporal="native")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.02 * torch.randn(tuple(shape), generator=generator) for name, shape in shapes.items()}


def weights_of(config, kind=VideoUNet, seed=0):
    with torch.device("meta"):
        net = kind(config)
    return drawn({name: value.shape for name, value in net.state_dict().items()}, seed)


def position_tables(net):
    """The tables that released files carry beside the weights."""
    places = {name: module for name, module in net.named_modules() if isinstance(module, PositionTable)}
    return {f"{name}.pe": sinusoids(at.positions, at.width)[None] for name, at in places.items()}


def in_ldm_words(state, config, prefix="model.diffusion_model."):
    """Our own inverse of the reader's map; the map itself is checked against the published names below."""
    resnet = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1"}
    resnet |= {"norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    table = {theirs: ours for ours, theirs in modules(config.attention_levels, config.layers_per_block)}
    out = {}
    for name, value in state.items():
        module = max((m for m in table if name.startswith(m + ".")), key=len)
        rest = name[len(module) + 1 :]
        if ".resnets." in module:
            part, rest = rest.split(".")
            rest = f"{resnet[part]}.{rest}"
        out[f"{prefix}{table[module]}.{rest}"] = value
    return out


def saved(folder, state, name="file.safetensors", **metadata):
    path = folder / name
    if isinstance(state, dict):  # tensors of their own, which the format asks for
        state = {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in state.items()}
    save_file(state, path, metadata) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


BESIDE = {
    "first_stage_model.encoder.conv_in.weight": torch.zeros(4, 3, 3, 3),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.zeros(8),
    "alphas_cumprod": torch.zeros(10),
}


@pytest.mark.parametrize("config", [SMALL1, SMALL2], ids=["sd1", "sd2-depth"])
@pytest.mark.parametrize("form", ["ldm", "ldm bare", "diffusers", "ckpt"])
def test_stable_diffusion(tmp_path, config, form):
    state = weights_of(config)
    file = {"diffusers": state, "ldm bare": in_ldm_words(state, config, "")}.get(form)
    file = in_ldm_words(state, config) | BESIDE if file is None else file
    path = saved(tmp_path, file) if form != "ckpt" else saved(tmp_path, {"state_dict": file, "epoch": 3}, "file.ckpt")
    found, weights, report = open_model(path)
    assert found == config and equal(weights, state)
    assert report.family == ("Stable Diffusion 1" if config is SMALL1 else "Stable Diffusion 2 with a depth channel")
    assert report.found == len(state) and report.missing == ()
    assert sorted(report.unexpected) == (sorted(BESIDE) if form in ("ldm", "ckpt") else [])
    assert ("1 of the VAE" in report.text) == bool(report.unexpected)
    VideoUNet(found).load_state_dict(weights)


def test_the_published_names_map_one_to_one_and_tell_the_shape():
    manifest = json.loads((TESTS / "golden" / "sd2depth_manifest.json").read_text(encoding="utf-8"))["keys"]
    assert in_diffusers_words([ldm for ldm, _ in manifest.values()]) == {new: ldm for new, (ldm, _) in manifest.items()}
    depth = {new: tuple(shape) for new, (_, shape) in manifest.items()}
    for config in (SD1, SD2_DEPTH):
        shapes = expected_shapes(Weights(Path("sd"), {}, {}, None), config, False)
        assert shapes.keys() == depth.keys() and (config is SD1 or shapes == depth) and len(shapes) == 686
        assert replace(SD1, **base_fields(Weights(Path("sd"), shapes, {}, None))) == config


def test_metadata_may_tell_the_heads(tmp_path):
    state = weights_of(SMALL1)
    assert open_model(saved(tmp_path, state, attention_head_dim="4"))[0].attention_head_dim == 4
    assert open_model(saved(tmp_path, state, attention_head_dim="[2, 4]"))[0].attention_head_dim == (2, 4)
    with pytest.raises(ValueError, match="attention_head_dim is 'many'"):
        open_model(saved(tmp_path, state, attention_head_dim="many"))


@pytest.mark.parametrize("spread, prediction", [(0.02, "eps"), (0.2, "v")])
def test_stable_diffusion_2_tells_what_it_predicts(tmp_path, spread, prediction):
    config = replace(SMALL2, in_channels=4)
    state = weights_of(config)
    name = "up_blocks.1.attentions.2.transformer_blocks.0.norm1.bias"
    state[name] = spread * torch.randn(state[name].shape)
    assert open_model(saved(tmp_path, state))[0] == replace(config, prediction=prediction)


@pytest.mark.parametrize("version, config", [(1, ANIMATEDIFF_V1), (2, ANIMATEDIFF_V2), (3, ANIMATEDIFF_V3)])
@pytest.mark.parametrize("form", ["plain", "wrapped", "without tables"])
def test_animatediff(tmp_path, version, config, form):
    with torch.device("meta"):
        net = VideoUNet(with_switches(config, **SHAPE))
    state = drawn({name: v.shape for name, v in net.state_dict().items() if ".motion_modules." in name})
    tables = position_tables(net)
    file = state | ({} if form == "without tables" else tables)
    wrapped = {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in file.items()}}
    path = saved(tmp_path, wrapped, "mm.ckpt") if form == "wrapped" else saved(tmp_path, file)
    motion, weights, report = open_motion_module(path)
    if form == "without tables":
        assert motion.positions == 32
    else:
        assert replace(SMALL1, temporal=motion) == with_switches(config, **SHAPE)
        assert report.family == f"AnimateDiff v{version}" and "frames" in report.text
    assert equal(weights, state)


def test_motion_modules_with_tables_of_their_own_are_refused(tmp_path):
    with torch.device("meta"):
        net = VideoUNet(with_switches(ANIMATEDIFF_V3, **SHAPE))
    state = drawn({name: v.shape for name, v in net.state_dict().items() if ".motion_modules." in name})
    state |= {name: value * 0.5 for name, value in position_tables(net).items()}
    with pytest.raises(ValueError, match="position tables of its own making"):
        open_motion_module(saved(tmp_path, state))


def test_disco(tmp_path):
    unet, pose = weights_of(NATIVE), weights_of(NATIVE, PoseControlNet, 1)
    file = {f"unet.{name}": value for name, value in unet.items()}
    file |= {f"controlnet.nets.0.{name}": value for name, value in pose.items()}
    file |= {"controlnet.nets.1.conv_in.weight": torch.zeros(4), "refer_clip_proj.weight": torch.ones(48, 64)}
    path = saved(tmp_path, {"module": file, "global_steps": 7}, "mp_rank_00_model_states.pt")
    config, state, report = open_model(path)
    assert config == with_switches(NATIVE, group_norm="clip", foreground_width=64)
    assert torch.equal(state["clip_proj.weight"], torch.ones(48, 64))
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    assert torch.equal(state[f"{block}.tem_norm.weight"], unet[f"{block}.norm2.weight"])
    resnet = "down_blocks.0.resnets.0.tem_norm.weight"
    assert torch.equal(state[resnet], unet[resnet]) and report.family == "DisCo"
    VideoUNet(config).load_state_dict(state)
    config, state, report = open_controlnet(path)
    assert config.group_norm == "clip" and config.temporal == TemporalLayers()
    assert torch.equal(state[f"{block}.tem_norm.bias"], pose[f"{block}.norm2.bias"])
    PoseControlNet(config).load_state_dict(state)


@pytest.mark.parametrize("config", [SMALL1, NATIVE], ids=["flat", "temporal"])
def test_controlnet(tmp_path, config):
    state = weights_of(config, PoseControlNet)
    found, weights, report = open_controlnet(saved(tmp_path, state))
    assert found == config and equal(weights, state) and report.family == "ControlNet"
    marked = replace(config, group_norm="clip", attention_head_dim=4)
    assert open_controlnet(save_model(tmp_path / "duet.safetensors", state, marked))[0] == marked


@pytest.mark.parametrize("system", [IDOL, ANIMATEDIFF_V2], ids=["idol", "animatediff"])
def test_duet_file(tmp_path, system):
    config = with_switches(system, **SHAPE)
    state = weights_of(config)
    path = save_model(tmp_path / "a.safetensors", state, config, steps=300, title="Tanz")
    found, weights, report = open_model(path)
    assert found == config and equal(weights, state) and isinstance(report, Report) and report.family == "Duet model"
    assert read_weights(path).metadata.items() >= {"steps": "300", "title": "Tanz", "format": "pt"}.items()
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    path = save_model(tmp_path / "a.safetensors", {"a": torch.ones(2)}, SMALL1)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(path, {"a": torch.zeros(2)}, SMALL1)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        save_model(tmp_path / "a.ckpt", {}, SMALL1)


def test_tied_and_sliced_weights_are_stored_in_full(tmp_path):
    whole = torch.arange(6.0)
    state = {"a": whole, "b": whole, "c": whole[2:4], "d": whole.view(2, 3).T}
    assert equal(read_weights(save_model(tmp_path / "a.safetensors", state, SMALL1)).state(), state)


ONE = torch.zeros(4)
FOREIGN = {
    "Stable Diffusion XL": {"model.diffusion_model.label_emb.0.0.weight": ONE},
    "Stable Diffusion XL ": {"add_embedding.linear_1.weight": ONE, "conv_in.weight": ONE},
    " Stable Diffusion XL": {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": torch.zeros(2, 2048)},
    "Stable Diffusion 3": {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": ONE},
    "Load Wan 2.2 Pair": {"base.blocks.0.self_attn.q.weight": ONE, "flow_in.weight": ONE},
    "a Wan model": {"blocks.0.self_attn.q.weight": ONE, "patch_embedding.weight": ONE},
    "Flux": {"double_blocks.0.img_attn.qkv.weight": ONE},
    "a LoRA": {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": ONE},
    "Load LoRA": {"unet.down_blocks.0.attentions.0.to_q.lora_A.weight": ONE},
    "a LoRA, ": {"mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight": ONE},
    "a VAE": {"encoder.conv_in.weight": ONE, "decoder.conv_in.weight": ONE},
    "a text encoder": {"text_model.final_layer_norm.weight": ONE},
    "a ControlNet in its authors' form": {"control_model.input_hint_block.0.weight": ONE},
    "a ControlNet in diffusers": {"controlnet_cond_embedding.conv_in.weight": ONE, "conv_in.weight": ONE},
    "motion module": {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": ONE},
    "an unknown family": {"blocks.0.weight": ONE},
}


@pytest.mark.parametrize("words", FOREIGN)
def test_other_families_are_refused_by_name(tmp_path, words):
    with pytest.raises(ValueError, match=words.strip()) as error:
        open_model(saved(tmp_path, FOREIGN[words]))
    assert "file.safetensors" in str(error.value) and "was expected" in str(error.value)


@pytest.mark.parametrize("channels, words", [(9, "inpainting"), (8, "editing"), (7, "an unknown family")])
@pytest.mark.parametrize("form", ["ldm", "diffusers"])
def test_other_channels_are_refused(tmp_path, channels, words, form):
    config = replace(SMALL1, in_channels=channels)
    state = weights_of(config)
    with pytest.raises(ValueError, match=words):
        open_model(saved(tmp_path, in_ldm_words(state, config) if form == "ldm" else state))


def test_each_opener_refuses_the_others_files(tmp_path):
    model = saved(tmp_path, weights_of(SMALL1), "model.safetensors")
    net = save_model(tmp_path / "net.safetensors", weights_of(NATIVE, PoseControlNet), NATIVE)
    for opening, path in ((open_model, net), (open_controlnet, model), (open_motion_module, model)):
        with pytest.raises(ValueError, match="was expected"):
            opening(path)


@pytest.mark.parametrize("form", ["ldm", "diffusers", "duet"])
def test_weights_that_do_not_fit_are_counted_and_named(tmp_path, form):
    state = weights_of(SMALL1)
    lost, wrong = "up_blocks.1.resnets.1.conv1.bias", "down_blocks.1.resnets.0.norm2.weight"
    spelled = in_ldm_words(state, SMALL1, "") if form == "ldm" else dict(state)
    ldm = in_diffusers_words(spelled) if form == "ldm" else {name: name for name in state}
    spelled[ldm[wrong]] = torch.zeros(7)
    del spelled[ldm[lost]]
    spelled["surprise.weight"] = ONE.clone()
    path = tmp_path / "file.safetensors"
    save_model(path, spelled, SMALL1) if form == "duet" else saved(tmp_path, spelled)
    with pytest.raises(ValueError) as error:
        open_model(path)
    for words in ("1 are missing", lost, "1 are of another shape", wrong, "1 are unknown", "surprise.weight"):
        assert words in str(error.value)


@pytest.mark.parametrize("drop", ["conv_in.weight", "mid_block.attentions.0", "down_blocks.0.resnets.0", "down_blocks"])
def test_half_a_file_is_refused_in_words(tmp_path, drop):
    for spelled in (lambda state: state, lambda state: in_ldm_words(state, SMALL1)):
        state = {name: value for name, value in weights_of(SMALL1).items() if not name.startswith(drop)}
        with pytest.raises(ValueError, match=r"missing|an unknown family|a VAE"):
            open_model(saved(tmp_path, spelled(state)))


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_refused(tmp_path, value, kind):
    state = {name: weight.to(kind) for name, weight in weights_of(SMALL1).items()}
    state["conv_out.bias"][1] = value
    with pytest.raises(ValueError, match="NaN or infinite numbers in conv_out.bias"):
        open_model(saved(tmp_path, state))
    state["conv_out.bias"] = torch.zeros(4, dtype=torch.int8)
    with pytest.raises(ValueError, match="conv_out.bias as int8"):
        open_model(saved(tmp_path, state))


def bytes_of(state=None):
    from safetensors.torch import save

    return save(state or {"a": torch.ones(8), "b": torch.zeros(3)})


DAMAGED = {
    "it is empty": b"",
    "zero bytes": bytes(4096),
    "zip archive": b"PK\x03\x04" + bytes(200),
    "a pickle": b"\x80\x04\x95" + bytes(200),
    "a web page": b"<!DOCTYPE html><html>" + b"x" * 100,
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
    "cut off inside its header": bytes_of()[:60],
    "cut off": b"ab",
    "holds 34 bytes of weights where its header promises 44": bytes_of()[:-10],
    "holds 49 bytes of weights where its header promises 44": bytes_of() + bytes(5),
    "header is damaged": (16).to_bytes(8, "little") + b'{"a": nonsense} ' + bytes(16),
    "its header is damaged": (8).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
}


@pytest.mark.parametrize("words", DAMAGED)
def test_damaged_files_name_the_file_its_size_and_the_cause(tmp_path, words):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(DAMAGED[words])
    with pytest.raises(ValueError, match=words) as error:
        open_model(path)
    assert f"broken.safetensors ({len(DAMAGED[words]):,} bytes)" in str(error.value)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_runs_nothing(tmp_path, legacy):
    canary = tmp_path / "canary"
    path = tmp_path / "evil.ckpt"
    state = {"state_dict": {"conv_in.weight": ONE, "x": Evil(str(canary))}}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"evil.ckpt .* holds more than tensors, and for safety"):
        open_model(path)
    assert not canary.exists()


def test_a_file_that_the_system_refuses(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = saved(tmp_path, {"a": ONE})
    monkeypatch.setattr("pack.models.files.reading.safe_open", refused)
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ValueError, match=r"cannot be read: the system refuses it \(Permission denied\)"):
        open_model(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + bytes(50)])
def test_damaged_pickles(tmp_path, content):
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.pt \(\d+ bytes\) cannot be read"):
        open_model(path)


def test_what_is_no_file_of_weights(tmp_path):
    for held in ([1, 2], torch.zeros(3), {"state_dict": {"a": 1}}, torch.nn.Linear(1, 1).state_dict() | {"a": "b"}):
        with pytest.raises(ValueError):
            open_model(saved(tmp_path, held, "a.pt"))
    for name in ("missing.safetensors", "", "readme.txt"):
        (tmp_path / "readme.txt").write_text("x")
        with pytest.raises(ValueError):
            open_model(tmp_path / name)


def test_a_duet_file_of_a_newer_version(tmp_path):
    text = json.dumps(json.loads(to_json(SMALL1)) | {"telepathy": 1})
    with pytest.raises(ValueError, match="newer version: it has telepathy"):
        open_model(saved(tmp_path, {"a": ONE}, duet=text))
    for text in (
        '{"version": 3}',
        '{"version": 2, "pair": {"kind": "triple"}}',
        '{"version": 2, "pair": {"kind": "shared", "x": 1}}',
    ):
        with pytest.raises(ValueError, match="newer version: it has"):
            open_model(saved(tmp_path, {"a": ONE}, duet=text))
    for text in ("{", "[]", '{"modalities": 3}', '{"block_out_channels": 5}',
                 '{"version": 2, "pair": 3}', '{"version": 2, "tokens": {"kind": "words"}}'):  # fmt: skip
        with pytest.raises(ValueError, match="file.safetensors is a Duet file that cannot be opened"):
            open_model(saved(tmp_path, {"a": ONE}, duet=text))


def test_a_flipped_byte_is_noticed_or_harmless(tmp_path):
    state = {"a": torch.randn(20, 4), "b.c": torch.randn(30).half(), "d": torch.randn(6).bfloat16()}
    path = save_model(tmp_path / "a.safetensors", state, SMALL1, title="x" * 500)
    sound, dice, noticed = path.read_bytes(), random.Random(7), 0
    assert 1500 < len(sound) < 3000
    for _ in range(300):
        broken = bytearray(sound)
        broken[dice.randrange(len(broken))] ^= dice.randrange(1, 256)
        path.write_bytes(broken)
        try:
            file = read_weights(path)
            assert duet_config(file) == SMALL1 and equal(file.state(), state)
        except ValueError as error:
            assert "a.safetensors" in str(error)
            noticed += 1
    assert noticed > 150


def script():
    spec = importlib.util.spec_from_file_location("convert", TESTS.parent / "scripts" / "convert_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_converter(tmp_path):
    state, convert = weights_of(SMALL1), script().convert
    source = saved(tmp_path, {"state_dict": in_ldm_words(state, SMALL1) | BESIDE}, "sd.ckpt")
    target = tmp_path / "out.safetensors"
    assert "Stable Diffusion 1" in convert(source, target, half=True)[1].text
    config, weights, _ = open_model(target)
    assert config == SMALL1 and equal(weights, {name: value.half() for name, value in state.items()})
    motion = {n: v for n, v in weights_of(with_switches(ANIMATEDIFF_V1, **SHAPE)).items() if ".motion_modules." in n}
    tables = position_tables(VideoUNet(with_switches(ANIMATEDIFF_V1, **SHAPE)))
    convert(saved(tmp_path, motion | tables, "mm.ckpt"), target)
    read, weights, report = open_motion_module(target)
    assert read.positions == 24 and equal(weights, motion) and report.family == "AnimateDiff v1"
    with pytest.raises(ValueError, match="the source itself"):
        convert(target, target)
