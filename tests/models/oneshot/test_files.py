"""Tune-A-Video's folder and .pth, our file of a tuning, and Stable Diffusion 2 with depth, at tiny size."""

import json
import re
from dataclasses import replace

import pytest
import torch
from pack.models.files import convert, open_controlnet, open_model, open_motion_module, save_folder, save_model
from pack.models.files.ldm import modules
from pack.models.files.reading import read_weights
from pack.models.files.tuned import is_tuned, tav_name
from pack.models.files.writing import checksum, write_safely
from pack.models.oneshot.files import Tuning, add_tuning, fingerprint, read_tuning, save_tuning
from pack.models.unet.config import IDOL, ONE_SHOT, SD1, SD2_DEPTH, TINY
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from safetensors.torch import save_file

LEVELS = {"block_out_channels": (32, 64), "attention_levels": (True, True), "layers_per_block": 1}
BASE = with_switches(SD2_DEPTH, **LEVELS, attention_head_dim=(1, 1), cross_attention_dim=48)
WHOLE = with_switches(ONE_SHOT, **LEVELS, attention_head_dim=(1, 1), cross_attention_dim=48)


def weights_of(config, seed=0):
    with torch.device("meta"):
        net = VideoUNet(config)
    g = torch.Generator().manual_seed(seed)
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    return {name: torch.randn(shape, generator=g) * 0.1 for name, shape in shapes.items()}


STATE = weights_of(WHOLE)
PICTURE = weights_of(BASE, 1)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def pth(folder, state=STATE, norms=False):
    path = folder / "tuneavideo-500.pth"
    torch.save({tav_name(name): value for name, value in state.items() if is_tuned(name, norms)}, path)
    return path


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
@pytest.mark.parametrize("place", ["unet", "."])
def test_a_tune_a_video_folder_is_read_whole(tmp_path, ending, place):
    """The folder, and the U-Net's file in it as the host lists it; heads and groups come from the config beside it."""
    (tmp_path / "tav" / place).mkdir(parents=True, exist_ok=True)
    file = tmp_path / "tav" / place / f"diffusion_pytorch_model{ending}"
    state = {tav_name(name): value for name, value in STATE.items()}
    save_file(state, file) if ending == ".safetensors" else torch.save(state, file)
    beside = {"_class_name": "UNet3DConditionModel", "attention_head_dim": [2, 4], "norm_num_groups": 8}
    (file.parent / "config.json").write_text(json.dumps(beside))
    for path in (tmp_path / "tav", file):
        config, weights, report = open_model(path)
        assert config == replace(WHOLE, attention_head_dim=(2, 4), norm_num_groups=8, group_norm="clip")
        assert equal(weights, STATE)
        assert report.text.startswith(f"Tune-A-Video with a depth channel: {len(STATE)} weights found, 0 missing.")
        assert "predicts noise (eps)" in report.text
    VideoUNet(config).load_state_dict(weights)


def test_a_whole_one_shot_model_as_a_duet_file(tmp_path):
    found, weights, report = open_model(save_model(tmp_path / "a.safetensors", STATE, WHOLE))
    assert found == WHOLE and equal(weights, STATE) and report.family == "Duet model"


def test_a_written_folder_is_read_again(tmp_path):
    config = replace(WHOLE, attention_head_dim=(2, 4), norm_num_groups=8, group_norm="clip")
    path = save_folder(tmp_path / "tav", STATE, config)
    written = read_weights(path).shapes
    assert any(".attn_temp." in name for name in written) and not any(".tem_" in name for name in written)
    beside = json.loads((path.parent / "config.json").read_text())
    assert beside["_class_name"] == "UNet3DConditionModel" and beside["up_block_types"] == ["CrossAttnUpBlock3D"] * 2
    found, weights, _ = open_model(tmp_path / "tav")
    assert found == config and equal(weights, STATE)
    with pytest.raises(ValueError, match="Only a one-shot model"):
        save_folder(tmp_path / "other", PICTURE, BASE)
    assert not (tmp_path / "other").exists()


def test_a_pth_of_trained_weights_goes_through_the_converter_onto_its_base(tmp_path):
    target = tmp_path / "tuning.safetensors"
    part, report = convert(pth(tmp_path), target)
    tuned = [name for name in STATE if is_tuned(name)]
    assert (part, report.found, report.text) == (
        "tuning", len(tuned), f"Video tuning: {len(tuned)} weights found, 0 missing.",
    )  # fmt: skip
    names = read_weights(target).shapes
    assert "input_blocks.1.1.transformer_blocks.0.attn_temp.to_q.weight" in names
    assert "output_blocks.3.1.transformer_blocks.0.attn2.to_q.weight" in names and len(names) == len(tuned)
    for path in (target, pth(tmp_path)):
        config, state, report = add_tuning(BASE, PICTURE, path)
        assert config == replace(WHOLE, group_norm="clip"), "Tune-A-Video's norms look at the clip"
        for name, value in state.items():
            expected = STATE[name] if is_tuned(name) else PICTURE.get(name)
            if expected is None:  # norms before attention over time, which Tune-A-Video leaves as they are initialized
                expected = torch.full_like(value, float(name.endswith("weight")))
            assert torch.equal(value, expected), name
        VideoUNet(config).load_state_dict(state)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("norms", [False, True])
def test_our_file_of_a_tuning_comes_back_with_how_it_was_trained(tmp_path, norms, half):
    config = replace(WHOLE, prediction="v")
    base = {name: value for name, value in STATE.items() if ".tem_" not in name}
    state = STATE if norms else add_tuning(BASE, base, pth(tmp_path))[1]
    if half:
        state = {name: value.half() for name, value in state.items()}
    made = Tuning(frames=8, steps=500, lr=3e-5, depth_range="per clip")
    path = save_tuning(tmp_path / "cat.safetensors", state, config, made)
    file, found = read_tuning(path)
    assert found == replace(made, base=fingerprint(base), context=48, group_norm="frame", prediction="v")
    assert len(file.shapes) == sum(is_tuned(name, norms) for name in state)
    assert file.metadata.items() >= {"frames": "8", "steps": "500", "lr": "3e-05", "group_norm": "frame"}.items()
    onto, weights, report = add_tuning(replace(BASE, prediction="v"), base, path)
    assert onto == config and all(torch.equal(weights[name].to(value), value) for name, value in state.items())
    assert "Tuned on 8 frames in 500 steps at a learning rate of 3e-05." in report.text
    assert "depth_range per clip" in report.text and "another base" not in report.text


def test_what_does_not_match_the_base_is_reported(tmp_path):
    path = save_tuning(tmp_path / "a.safetensors", STATE, WHOLE, Tuning(depth_range="per frame"))
    _, _, report = add_tuning(replace(BASE, prediction="v"), PICTURE, path)
    assert fingerprint(PICTURE) in report.text and fingerprint(STATE) in report.text
    assert (
        "tuned to predict noise (eps), but the base predicts velocity (v): it is sampled like the base" in report.text
    )
    assert "depth_range per frame" in report.text
    assert "depth_range" not in add_tuning(replace(BASE, in_channels=4), PICTURE, path)[2].text


def test_a_tuning_replaces_another(tmp_path):
    first = add_tuning(BASE, PICTURE, pth(tmp_path))
    path = save_tuning(tmp_path / "b.safetensors", weights_of(WHOLE, 5), WHOLE, Tuning())
    again, once = add_tuning(*first[:2], path), add_tuning(BASE, PICTURE, path)
    assert again[0] == once[0] == WHOLE and equal(again[1], once[1])


def test_a_tuning_of_another_base_is_refused(tmp_path):
    wide = replace(WHOLE, block_out_channels=(64, 64))
    path = save_tuning(tmp_path / "a.safetensors", weights_of(wide), wide, Tuning())
    with pytest.raises(ValueError, match=r"another base.* are of another shape \(down_blocks.*Load the model"):
        add_tuning(BASE, PICTURE, path)
    shallow = replace(WHOLE, attention_levels=(True, False))
    path = save_tuning(tmp_path / "a.safetensors", weights_of(shallow), shallow, Tuning())
    with pytest.raises(ValueError, match="another base.*are missing"):
        add_tuning(BASE, PICTURE, path)
    path = save_tuning(tmp_path / "a.safetensors", STATE, WHOLE, Tuning())
    with pytest.raises(ValueError, match="tokens of width 48, but those of this model have width 768"):
        add_tuning(replace(BASE, cross_attention_dim=768), PICTURE, path)
    with pytest.raises(ValueError, match="already has motion modules: a"):
        add_tuning(with_switches(BASE, temporal="motion_modules"), PICTURE, path)
    with pytest.raises(ValueError, match="already has attention over time: a"):
        add_tuning(with_switches(IDOL, **TINY), {}, path)


def test_what_is_no_tuning_and_a_tuning_in_the_wrong_place(tmp_path):
    with pytest.raises(ValueError, match="a video tuning was expected"):
        add_tuning(BASE, PICTURE, save_model(tmp_path / "m.safetensors", PICTURE, BASE))
    tuning = save_tuning(tmp_path / "t.safetensors", STATE, WHOLE, Tuning())
    for opening in (open_model, open_controlnet, open_motion_module):
        with pytest.raises(ValueError, match="is a video tuning.*Load Video Tuning"):
            opening(tuning)
    with pytest.raises(ValueError, match="no tuning to save"):
        save_tuning(tmp_path / "x.safetensors", PICTURE, BASE, Tuning())
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        save_tuning(tmp_path / "x.pth", STATE, WHOLE, Tuning())
    broken = bytearray(tuning.read_bytes())
    broken[-1] ^= 1
    tuning.write_bytes(broken)
    with pytest.raises(ValueError, match="checksum differs"):
        add_tuning(BASE, PICTURE, tuning)


def test_a_tuning_with_unknown_settings_is_refused(tmp_path):
    tuning = save_tuning(tmp_path / "t.safetensors", STATE, WHOLE, Tuning())
    file = read_weights(tuning)
    for text in ("{", "[]", '{"group_norm": "sideways"}'):
        notes = {"duet_tuning": text, "duet_tuning_crc32": checksum(file.state(), text)}
        path = write_safely(tmp_path / "u.safetensors", file.state(), notes)
        with pytest.raises(ValueError, match=r"u\.safetensors has settings of the tuning that are unknown"):
            read_tuning(path)


LDM_ASIDE = {
    "depth_model.model.pretrained.model.cls_token": torch.zeros(1, 1, 8),
    "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight": torch.zeros(4, 4),
    "first_stage_model.decoder.conv_in.weight": torch.zeros(4),
    "alphas_cumprod": torch.zeros(10),
    "model_ema.decay": torch.zeros(1),
}


def test_a_single_file_with_its_depth_estimator_opens_without_it(tmp_path):
    table = {diffusers: ldm for ldm, diffusers in modules(BASE.attention_levels, BASE.layers_per_block)}
    parts = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0"}
    parts |= {"conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    file = dict(LDM_ASIDE)
    for name, value in PICTURE.items():
        module = max((m for m in table if name.startswith(m + ".")), key=len)
        rest = name[len(module) + 1 :]
        if ".resnets." in module:
            rest = f"{parts[rest.split('.')[0]]}.{rest.split('.')[1]}"
        file[f"model.diffusion_model.{table[module]}.{rest}"] = value
    save_file(file, tmp_path / "512-depth-ema.safetensors")
    config, state, report = open_model(tmp_path / "512-depth-ema.safetensors")
    assert config == BASE and equal(state, PICTURE) and config.prediction == "eps"
    assert report.unexpected == tuple(sorted(LDM_ASIDE)) and "1 of the depth estimator" in report.text
    assert "It predicts noise (eps)." in report.text


@pytest.mark.parametrize("declared, loud, prediction, words", [
    (None, True, "v", "It predicts velocity"),
    ("epsilon", True, "v", r"declared to predict noise \(eps\), but its weights .* ModelSamplingDiscrete"),
    ("v_prediction", False, "v", "It predicts velocity"),
    ("epsilon", False, "eps", "It predicts noise"),
])  # fmt: skip
def test_a_folder_that_declares_what_its_weights_are_not(tmp_path, declared, loud, prediction, words):
    """Stable Diffusion 2 for 768 px predicts velocity; folders of finetunes often still say epsilon."""
    config = replace(BASE, in_channels=4)
    state = weights_of(config)
    for name in state:
        if name.startswith("up_blocks.") and name.endswith("norm1.bias"):
            state[name] *= 3 if loud else 0.3
    (tmp_path / "unet").mkdir()
    save_file(state, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    if declared:
        (tmp_path / "scheduler").mkdir()
        (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": declared}))
    found, _, report = open_model(tmp_path)
    assert found == replace(config, prediction=prediction) and re.search(words, report.text)


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder without a U-Net: unet/diffusion_pytorch_model.safetensors"):
        open_model(tmp_path)
    save_file(weights_of(with_switches(SD1, **TINY)), tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json beside diffusion_pytorch_model.safetensors cannot be read"):
        open_model(tmp_path)
    (tmp_path / "config.json").write_text('{"norm_num_groups": -4}')
    with pytest.raises(ValueError, match="norm_num_groups is '-4'"):
        open_model(tmp_path)
