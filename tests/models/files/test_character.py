"""Character models in the files that MIMO was released in, and as one Duet file, at tiny size."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.files import open_character, open_model, open_motion_module, save_model
from pack.models.files.character import open_parts
from pack.models.files.reading import Weights
from pack.models.unet.config import IDOL, MIMO, MIMO_PAPER, SD1, TINY
from pack.models.unet.motion_module import sinusoids
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
MANIFEST = json.loads((GOLDEN / "mimo_manifest.json").read_text(encoding="utf-8"))


LEVELS = {"block_out_channels": (32, 64), "attention_levels": (True, False), "layers_per_block": 1}
SMALL = with_switches(MIMO, **LEVELS, cross_attention_dim=48, motion_code=(8, 8, 16, 24))
PARTS = ("model", "reference", "pose_guider", "motion")


def weights_of(config, seed=0):
    with torch.device("meta"):
        net = VideoUNet(config)
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randn(value.shape, generator=g) * 0.1 for name, value in net.state_dict().items()}


STATE = weights_of(SMALL)


def released(folder, state=STATE, apart=False, save=torch.save, ending=".pth"):
    """The files, motion modules inside the first or apart, with their position tables."""
    parts = {"reference": {}, "pose_guider": {}, "model": {}, "motion": {}}
    for name, value in state.items():
        head, _, tail = name.partition(".")
        if head in ("reference", "pose_guider"):
            parts[head][tail] = value
            continue
        into = parts["motion" if apart and ".motion_modules." in name else "model"]
        into[name] = value
        if name.endswith("attention_blocks.0.to_q.weight") or name.endswith("attention_blocks.1.to_q.weight"):
            into[name.replace("to_q.weight", "pos_encoder.pe")] = sinusoids(32, len(value))[None]
    paths = {}
    for part, values in parts.items():
        if values:
            paths[part] = folder / f"{part}{ending}"
            save(values, paths[part])
    return paths


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("apart", [False, True])
def test_the_released_files_open_whole(tmp_path, apart):
    paths = released(tmp_path, apart=apart)
    config, state, report = open_character(*map(paths.get, PARTS))
    tables = sum(name.endswith(".attention_blocks.0.to_q.weight") for name in STATE) * 2
    assert config == SMALL and equal(state, STATE)
    assert (report.found, report.missing, report.unexpected) == (len(STATE) + tables, (), ())
    assert (
        report.text.startswith(f"MIMO: {report.found} weights found, 0 missing.") and "up to 32 frames" in report.text
    )
    VideoUNet(config).load_state_dict(state)


def test_the_papers_model_of_two_layers_and_files_of_safetensors(tmp_path):
    config = replace(SMALL, in_channels=12)
    assert config == with_switches(MIMO_PAPER, **LEVELS, cross_attention_dim=48, motion_code=(8, 8, 16, 24))
    state = weights_of(config, 2)
    paths = released(tmp_path, state, save=lambda values, path: save_file(values, path), ending=".safetensors")
    found, weights, report = open_character(*map(paths.get, PARTS))
    assert found == config and equal(weights, state) and "the scene and the occluder" in report.text


def test_motion_modules_of_their_own_file_count(tmp_path):
    inside, other = released(tmp_path), tmp_path / "other.pth"
    changed = {name: value + 1 for name, value in STATE.items() if ".motion_modules." in name}
    torch.save({f"module.{name}": value for name, value in changed.items()}, other)
    _, state, _ = open_character(inside["model"], inside["reference"], inside["pose_guider"], other)
    assert equal(state, STATE | changed)


def test_every_released_weight_at_full_size_fits():
    """Names and shapes of the published files through the reader itself; only the position tables are read."""
    read = lambda name: sinusoids(32, MANIFEST["denoising_unet"][name][2])[None] if name.endswith(".pe") else TAKEN
    files = [
        Weights(Path(f"{part}.pth"), {name: tuple(shape) for name, shape in MANIFEST[part].items()}, {}, read)
        for part in ("denoising_unet", "reference_unet", "pose_guider")
    ]
    config, state, report = open_parts(*files, None)
    assert config == MIMO
    assert (report.found, report.missing, report.unexpected) == (1274 + 682 + 16, (), ())
    assert len(state) == report.found - 42


TAKEN = torch.zeros(1)  # stands for a weight that is not read


def test_our_own_file_comes_back_and_opens_in_both_loaders(tmp_path):
    path = save_model(tmp_path / "mimo.safetensors", STATE, SMALL)
    for opening in (open_character, open_model):
        config, state, report = opening(path)
        assert config == SMALL and equal(state, STATE) and report.missing == ()
    with pytest.raises(ValueError, match="holds the whole character model: leave reference.pth out"):
        open_character(path, released(tmp_path)["reference"])


def test_what_is_missing_or_in_the_wrong_place_is_named(tmp_path):
    paths = released(tmp_path, apart=True)
    model, reference, guider, motion = map(paths.get, PARTS)
    for given, words in (
        ((model, None, guider, motion), "reference_unet, has not been chosen"),
        ((model, reference, None, motion), "pose_guider, has not been chosen"),
        ((model, reference, guider, None), "motion_module, has not been chosen"),
        ((reference,), "reads the reference, but the U-Net of a character model"),
        ((model, guider, reference, motion), "is the pose guider of a character model, but the network that reads"),
        ((model, reference, guider, reference), "but the motion modules"),
    ):
        with pytest.raises(ValueError, match=words):
            open_character(*given)


def test_the_other_loaders_send_the_files_here(tmp_path):
    paths = released(tmp_path)
    for part in ("model", "reference", "pose_guider"):
        with pytest.raises(ValueError, match="Load Character Model"):
            open_model(paths[part])
    with pytest.raises(ValueError, match="Load Character Model"):
        open_motion_module(paths["model"])


def test_files_that_do_not_belong_together(tmp_path):
    (tmp_path / "wide").mkdir()
    paths = released(tmp_path)
    wide = replace(SMALL, cross_attention_dim=64)
    others = released(tmp_path / "wide", weights_of(wide, 3))
    with pytest.raises(ValueError, match="looks like MIMO but does not fit.*of another shape"):
        open_character(paths["model"], others["reference"], paths["pose_guider"])
    picture = save_model(
        tmp_path / "duet.safetensors", weights_of(with_switches(IDOL, **TINY)), with_switches(IDOL, **TINY)
    )
    with pytest.raises(ValueError, match="without a character: open it with Load Video Model"):
        open_character(picture)
    plain = with_switches(SD1, **LEVELS, cross_attention_dim=48, temporal="motion_modules", motion_mid_block=True)
    save_file(weights_of(plain), tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="reads 4 channels"):
        open_character(tmp_path / "plain.safetensors", paths["reference"], paths["pose_guider"])


def test_a_lost_weight_is_named(tmp_path):
    state = {name: value for name, value in STATE.items() if name != "reference.mid_block.resnets.0.conv1.weight"}
    paths = released(tmp_path, state)
    with pytest.raises(ValueError, match=r"1 are missing \(reference.mid_block.resnets.0.conv1.weight\)"):
        open_character(*map(paths.get, PARTS))
