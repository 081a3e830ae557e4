"""Files of a pair on Wan 2.2: every name and precision that is around opens, everything else is refused by name."""

import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import folder_paths
import pytest
import torch
from comfy_extras.nodes_model_merging import ModelSave
from pack.models.files.recommended import KEY, WAN_PAIR
from pack.models.wan.files import open_wan_pair
from pack.models.wan.names import released_name
from pack.nodes.host.recommended import recommended_of
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.wan.loaders import open_pair
from safetensors.torch import save_file
from tiny.wan import pair_state

NAMES = {
    "released": released_name,
    "ours": str,
    "prefixed": lambda name: f"model.diffusion_model.{released_name(name)}",
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.float8_e4m3fn}
RELEASED = json.loads((Path(__file__).resolve().parents[2] / "golden" / "unityvideo_manifest.json").read_text())
HEADS = {"dim": 256, "num_heads": 2}  # 128 features a head, as in every released file


def written(folder, state, naming=released_name, dtype=torch.float32, **metadata):
    path = folder / "pair.safetensors"
    save_file({naming(name): value.to(dtype) for name, value in state.items()}, path, metadata)
    return path


@pytest.mark.parametrize("naming", NAMES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_file_opens_under_every_name_and_in_every_precision(tmp_path, naming, precision):
    config, state = pair_state(**HEADS)
    opened = open_wan_pair(written(tmp_path, state, NAMES[naming], PRECISIONS[precision]))
    assert opened.config | {"patch_size": (1, 2, 2)} == config | {"modalities": opened.config["modalities"]}
    assert set(opened.config["modalities"]) == {"depth", "raft", "segmentation", "skeleton", "densepose"}
    assert set(opened.state) == set(state)
    tolerance = {"fp32": 0, "bf16": 2**-7, "fp16": 2**-9, "fp8": 2**-2}[precision]
    for name, value in state.items():
        assert torch.allclose(opened.state[name].float(), value, rtol=tolerance, atol=tolerance / 50), name
    assert "0 missing" in opened.report.text


def test_the_loader_gives_a_model_with_the_settings_of_its_makers(tmp_path):
    config, state = pair_state(**HEADS)
    model, text = open_pair(str(written(tmp_path, state)))
    assert recommended_of(model) == WAN_PAIR
    assert model.model.shows == ("densepose", "depth", "raft", "segmentation", "skeleton") and "depth" in text
    again = model.clone(disable_dynamic=True)
    assert set(again.model.diffusion_model.state_dict()) == set(state)


def test_what_save_model_writes_opens_as_the_same_model(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    config, state = pair_state()  # heads that its shapes do not tell
    model = native_wan_pair(config, dict(state), dtype=torch.float32, disable_dynamic=True)
    model.set_attachments(KEY, replace(WAN_PAIR, steps=7))
    ModelSave().save(model, "again")
    again, text = open_pair(str(tmp_path / "again_00001_.safetensors"))
    assert again.model.diffusion_model.num_heads == config["num_heads"] and "depth" in text
    assert recommended_of(again).steps == 7
    opened = again.model.diffusion_model.state_dict()
    assert set(opened) == set(state) and all(torch.equal(opened[name].float(), state[name]) for name in state)


def test_opening_never_holds_the_weights_twice(tmp_path):
    """In a process of its own, with a file of 200 MB."""
    config, state = pair_state(dim=1024, num_heads=8, ffn_dim=4096, num_layers=6)
    path = written(tmp_path, state, dtype=torch.bfloat16)
    del state
    held, most, read, different = opened_in_a_process(path)
    assert path.stat().st_size > 190e6 and most < 1.25 * held, (held, most)
    assert read == different == len(RELEASED) - 24 * 27, "6 blocks in place of 30, each tensor read once"


def opened_in_a_process(path, *precision):
    helper = Path(__file__).with_name("peak_process.py")
    done = subprocess.run([sys.executable, helper, path, *precision], capture_output=True, text=True, check=True)
    return map(int, done.stdout.split()[-4:])


def write_released(path):
    """The released file with zeros for its weights: its own header and size, and a body without any blocks on the disk."""
    entries, end = {}, 0
    for name, shape in sorted(RELEASED.items()):
        begin, end = end, end + 2 * math.prod(shape)
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + end)


def test_the_released_file_opens_tensor_by_tensor(tmp_path):
    """837 tensors, 10 GB: each is read once from the mapped file, and no more than two of them are in memory beside it."""
    path = tmp_path / "unityvideo_wan22_ti2v_5b_step15000_ema.safetensors"
    write_released(path)
    assert path.stat().st_size == 10_020_954_352, "the size of the file that is public"
    if path.stat().st_blocks * 512 > 1e9:
        pytest.skip("this disk writes empty parts of files")
    held, most, read, different = opened_in_a_process(path, "bf16")
    assert read == different == 837 and held == 10_020_864_768
    largest = max(2 * math.prod(shape) for shape in RELEASED.values())
    assert most < 2 * largest, (held, most, largest)


def without(state, start):
    return {name: value for name, value in state.items() if not name.startswith(start)}


def plain(state):
    return without(state, ("modality.", "head.modality."))


WRONG = {
    "a plain Wan model": (plain, "Load Diffusion Model"),
    "another kind": (lambda state: {"conv_in.weight": torch.zeros(4, 4)}, "another kind of model"),
    "one weight missing": (lambda state: without(state, "blocks.1.ffn.0.bias"), "does not fit: of .* 1 are missing"),
    "a block of another width": (
        lambda state: state | {"blocks.0.self_attn.q.weight": torch.zeros(8, 8)},
        "1 are of another shape",
    ),
    "a weight of nothing": (lambda state: state | {"head.modality.more": torch.zeros(2)}, "1 are unknown"),
    "NaN": (lambda state: state | {"blocks.0.ffn.0.bias": torch.full((96,), float("nan"))}, "NaN"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_pair_is_refused_in_a_sentence(tmp_path, kind):
    change, says = WRONG[kind]
    _, state = pair_state(**HEADS)
    path = tmp_path / "pair.safetensors"
    save_file({name: value.contiguous() for name, value in change(state).items()}, path)
    with pytest.raises(ValueError, match=f"pair.safetensors .*{says}"):
        open_wan_pair(path)
