"""Files made to do harm: whatever their header says, a loader opens what is sound and refuses the rest in a sentence."""

import json
import random
import resource
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.files import open_character, open_controlnet, open_model, open_motion_module, save_model
from pack.models.files.recommended import CLIP, KEY, read_recommended
from pack.models.files.writing import checksum
from pack.models.lfdm import checkpoint as lfdm
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.config import TINY_AUTOENCODER, TINY_UNET
from pack.models.lfdm.labels import LABEL_NAMES, open_flow_model
from pack.models.lfdm.unet import FlowUNet
from pack.models.oneshot.files import Tuning, add_tuning, save_tuning
from pack.models.unet.config import ANIMATEDIFF_V2, IDOL, MIMO, ONE_SHOT_SD1, SD1
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from safetensors.torch import load_file, save_file
from tiny.json_places import places, with_value

pytestmark = pytest.mark.long(seconds=90)
ROOT = Path(__file__).resolve().parents[3]
SHAPE = {
    "block_out_channels": (32, 32), "attention_levels": (True, False), "layers_per_block": 1, "attention_head_dim": 8,
    "cross_attention_dim": 16, "cross_modal_width": 16,
}  # fmt: skip
GUIDER = {"motion_code": (4, 4, 8, 8)}
TURNS = 40
MOST = 300 * 2**20  # bytes that opening may take beyond what the tests hold: files here are of 4 MB
SLOW = 10  # seconds; about 0.1 is usual


def weights(config, kind=VideoUNet):
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in kind(config).state_dict().items()}
    g = torch.Generator().manual_seed(0)
    return {name: 0.02 * torch.randn(shape, generator=g) for name, shape in shapes.items()}


def written(folder, kind):
    """A small sound file of a kind, and what opens it."""
    path = folder / f"{kind}.safetensors"
    if kind == "pair":
        config = with_switches(IDOL, **SHAPE, foreground_width=6, words=("red", "blue"))
        save_model(path, weights(config), config)
        return path, open_model
    if kind == "motion":
        config = with_switches(ANIMATEDIFF_V2, **SHAPE)
        state = {name: value for name, value in weights(config).items() if ".motion_modules." in name}
        save_model(path, state, config)
        return path, open_motion_module
    if kind == "controlnet":
        config = with_switches(SD1, **SHAPE)
        save_model(path, weights(config, PoseControlNet), config)
        return path, open_controlnet
    if kind == "character":
        config = with_switches(MIMO, **SHAPE, **GUIDER)
        save_model(path, weights(config), config)
        return path, open_character
    if kind == "pictures":
        state = weights(with_switches(SD1, **SHAPE))
        save_file(state, path, {"attention_head_dim": "8", "norm_num_groups": "32", "prediction_type": "epsilon"})
        return path, open_model
    if kind == "tuning":
        base, tuned = (
            with_switches(SD1, **SHAPE),
            replace(ONE_SHOT_SD1, **{k: SHAPE[k] for k in SHAPE if k != "cross_modal_width"}),
        )
        save_tuning(path, weights(tuned), tuned, Tuning(steps=3, lr=1e-5))
        state = weights(base)
        return path, lambda file: add_tuning(base, dict(state), file)
    if kind == "flow":
        g = torch.Generator().manual_seed(0)
        state = {n: 0.02 * torch.randn(v.shape, generator=g) for n, v in FlowUNet(TINY_UNET).state_dict().items()}
        state["labels.weight"] = torch.randn(2, TINY_UNET.text_width, generator=g)
        lfdm.save(path, TINY_UNET, state, **{LABEL_NAMES: json.dumps(["wave", "walk"])})
        return path, open_flow_model
    lfdm.save(path, TINY_AUTOENCODER, FlowAutoencoder(TINY_AUTOENCODER).state_dict())
    return path, lfdm.open_autoencoder


KINDS = ("pair", "motion", "controlnet", "character", "pictures", "tuning", "flow", "autoencoder")


def parts(path):
    """The header of a safetensors file as JSON, and its body."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put_together(path, header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def nested(depth):
    return "[" * depth + "]" * depth


DEEP = [[[[[[[[1]]]]]]]]
VALUES = [
    0, -1, 1, 2, 3, 7, 33, 10**7, 10**12, 2**63, -(10**9), 0.5, float("nan"), float("inf"), True, None, "", "x", "all", [], {},
    [0], [10**7] * 4, [32] * 3000, [True] * 3000, ["word"] * 20000, DEEP, {"kind": "motion_modules", "positions": 10**9}, [None],
    {"kind": "shared", "cross_modal": {"where": "all", "width": 10**7}}, {"kind": "words", "words": [1, 2]},
    {"kind": "image", "width": 10**7}, [[32, 32]], "1e9", [-32, 32], [1.5, 2.5],
]  # fmt: skip
TEXTS = [
    "",
    "null",
    "[]",
    "3",
    '"x"',
    "{",
    '{"version": 2}',
    '{"version": 99}',
    nested(100_000),
    '{"a":' * 50_000,
    "NaN",
    "1" * 5000,
]
NAMES = ["", "x", "a\nb", "down_blocks.99999999999.attentions.7.transformer_blocks.0.attn1.to_q.weight", "y" * 100_000, "../../etc", "scaled_fp8",
         "conv_in.scale_weight", "conv_in.comfy_quant", "lora_x", "input_blocks.9999.1.norm.weight"]  # fmt: skip


def damaged(header, draw):
    """One change of the metadata or of an entry of a header."""
    meta = dict(header["__metadata__"])
    own = [name for name in meta if name.startswith("duet") and "crc32" not in name] or list(meta)
    for name in list(meta):
        if "crc32" in name and draw.random() < 0.9:
            del meta[name]  # else the checksum refuses it before anything is read
    if draw.random() < 0.75:
        name = draw.choice(own)
        try:
            value = json.loads(meta[name])
        except ValueError:
            value = meta[name]
        if draw.random() < 0.2:
            meta[name] = draw.choice(TEXTS)
        else:
            meta[name] = json.dumps(with_value(value, draw.choice(list(places(value))), draw.choice(VALUES)))
        return header | {"__metadata__": meta}
    tensors = [name for name in header if name != "__metadata__"]
    name = draw.choice(tensors)
    entry = dict(header[name])
    kind = draw.randrange(5)
    changed = {key: value for key, value in header.items() if key != "__metadata__"}
    if kind == 0:
        del changed[name]
        changed[draw.choice(NAMES)] = entry
    elif kind == 1:
        changed[name] = entry | {"dtype": draw.choice(["I32", "U32", "F32", "BOOL"])}
    elif kind == 2:
        size = 1
        for side in entry["shape"]:
            size *= side
        changed[name] = entry | {"shape": draw.choice([[size], [1, size], [size, 1], [1] * 6 + [size]])}
    elif kind == 3:
        changed[draw.choice(NAMES) + ".weight"] = {"dtype": "F32", "shape": [0, 10**9], "data_offsets": [0, 0]}
    else:
        changed |= {
            f"down_blocks.{i}.{name}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(3000)
        }
    return changed | {"__metadata__": meta}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("kind", KINDS)
def test_any_change_of_a_header_is_opened_or_refused_in_a_sentence(tmp_path, kind):
    path, opening = written(tmp_path, kind)
    opening(path)
    header, body = parts(path)
    draw, before, outcomes = random.Random(f"hostile {kind}"), peak(), {True: 0, False: 0}
    for turn in range(TURNS):
        file = tmp_path / f"{turn}.safetensors"
        put_together(file, damaged(header, draw), body)
        start = time.monotonic()
        try:
            opening(file)
            outcomes[True] += 1
        except ValueError as error:
            assert file.name in str(error) and len(str(error)) < 3000, (turn, str(error)[:500])
            outcomes[False] += 1
        assert time.monotonic() - start < SLOW, turn
        file.unlink()
    assert outcomes[False] > TURNS // 3, outcomes
    assert peak() - before < MOST


WIDE = 10**7
HUGE = {
    "pair": {"block_out_channels": [WIDE, WIDE]},
    "character": {"block_out_channels": [WIDE, WIDE]},
    "motion": {"temporal": {"kind": "motion_modules", "positions": 10**9, "mid_block": True, "attentions": 2}},
    "controlnet": {"block_out_channels": [32] * 4000, "attention_levels": [True] * 4000},
}


SCRIPT = """
import importlib.util, json, resource, sys, time
root, *files = sys.argv[1:]
spec = importlib.util.spec_from_file_location("pack", f"{root}/__init__.py", submodule_search_locations=[root])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
import pack.models.baselines.separate
import pack.models.files as files_of
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for opening, path in zip(files[::2], files[1::2]):
    before, start = peak(), time.monotonic()
    try:
        getattr(files_of, opening)(path)
    except ValueError as error:
        print(json.dumps([path, peak() - before, time.monotonic() - start, str(error)]))
"""


def test_one_file_does_not_take_the_memory_of_the_server(tmp_path):
    """In a process of its own, so that the peak is that of these files."""
    arguments = []
    for kind, huge in HUGE.items():
        path, opening = written(tmp_path, kind)
        header, body = parts(path)
        config = json.loads(header["__metadata__"]["duet"]) | huge
        put_together(path, header | {"__metadata__": {"duet": json.dumps(config)}}, body)
        arguments += [opening.__name__, str(path)]
    command = [sys.executable, "-c", SCRIPT, str(ROOT), *arguments]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr[-2000:]
    answers = [json.loads(line) for line in out.stdout.splitlines()]
    assert [path for path, *_ in answers] == arguments[1::2], "each is refused"
    for path, grown, seconds, words in answers:
        assert grown < 100 * 2**20 and seconds < SLOW and Path(path).name in words, (path, grown, seconds, words)


FLOW = [
    ("flow", {"multiples": [1] * 3000}), ("flow", {"multiples": [10**9] * 3}), ("flow", {"groups": 0}), ("flow", {"heads": 10**9}),
    ("flow", {"motion_scale": float("inf")}), ("autoencoder", {"levels": 10**7}), ("autoencoder", {"bottleneck": 10**6}),
    ("autoencoder", {"flow": [8, 32, 10**6]}), ("autoencoder", {"scale": 0}), ("autoencoder", {"scale": 1e-9}),
    ("autoencoder", {"regions": 10**9}), ("autoencoder", {"temperature": float("nan")}),
]  # fmt: skip


@pytest.mark.parametrize("kind, wrong", FLOW)
def test_a_flow_file_with_a_right_checksum_and_a_wrong_size_is_refused(tmp_path, kind, wrong):
    path, opening = written(tmp_path, kind)
    header, body = parts(path)
    ((name, config),) = json.loads(header["__metadata__"]["duet_flow"]).items()
    text = json.dumps({name: config | wrong})
    meta = header["__metadata__"] | {"duet_flow": text, "duet_crc32": checksum(load_file(path), text)}
    put_together(path, header | {"__metadata__": meta}, body)
    before, start = peak(), time.monotonic()
    with pytest.raises(ValueError, match=f"{path.name} .*(cannot be opened|does not fit)"):
        opening(path)
    assert peak() - before < MOST and time.monotonic() - start < SLOW


@pytest.mark.parametrize("value", ["x", [1], None, {"a": 1}, float("nan"), 10**400])
@pytest.mark.parametrize("field", ["lr", "steps", "context", "group_norm", "depth_range"])
def test_the_settings_of_a_tuning_are_taken_or_refused_in_a_sentence(tmp_path, field, value):
    path, opening = written(tmp_path, "tuning")
    header, body = parts(path)
    text = json.dumps(json.loads(header["__metadata__"]["duet_tuning"]) | {field: value})
    put_together(path, header | {"__metadata__": {"duet_tuning": text}}, body)
    try:
        opening(path)
    except ValueError as error:
        assert path.name in str(error)


def test_a_pickle_that_claims_more_than_it_holds_is_refused(tmp_path):
    """Tensors of one stored number, tables that overlap, and an archive that unpacks to a thousand times its size."""
    path = tmp_path / "small.ckpt"
    torch.save({"conv_in.weight": torch.zeros(1).expand(50_000, 50_000)}, path)
    with pytest.raises(ValueError, match=r"small.ckpt \([\d,]+ bytes\) cannot be read: its tensors claim"):
        open_model(path)
    one = torch.zeros(200_000)
    torch.save({f"{i}.weight": one for i in range(2000)}, path)
    with pytest.raises(ValueError, match="its tensors claim to be larger than the file"):
        open_model(path)
    torch.save({"conv_in.weight": torch.zeros(25_000_000)}, tmp_path / "large.ckpt")
    with zipfile.ZipFile(tmp_path / "large.ckpt") as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    assert path.stat().st_size < 10**6
    with pytest.raises(ValueError, match="unpacks to 100,"):
        open_model(path)


def test_a_file_of_more_tensors_than_any_model_is_refused(tmp_path):
    path = tmp_path / "many.safetensors"
    put_together(
        path, {f"{i}.weight": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(60_000)}, b""
    )
    start = time.monotonic()
    with pytest.raises(ValueError, match="many.safetensors .* it holds 60,000 tensors"):
        open_model(path)
    assert time.monotonic() - start < SLOW


@pytest.mark.parametrize(
    "text", [*TEXTS, json.dumps({KEY: DEEP}), *(json.dumps({KEY: {"steps": value}}) for value in VALUES)]
)
def test_settings_beside_a_model_are_taken_or_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "model.ckpt"
    path.touch()
    path.with_suffix(".json").write_text(text)
    try:
        found = read_recommended(path, CLIP)
    except ValueError as error:
        assert "model.json" in str(error) and len(str(error)) < 1000
    else:
        assert found == CLIP or 1 <= found.steps <= 10_000


@pytest.mark.parametrize(
    "text",
    [nested(100_000), " " * 2**21 + "{}", '{"attention_head_dim": ' + "9" * 5000 + "}", '{"norm_num_groups": 1e400}'],
)
def test_a_configuration_beside_a_folders_weights_is_taken_or_refused_in_a_sentence(tmp_path, text):
    folder = tmp_path / "unet"
    folder.mkdir()
    path = folder / "diffusion_pytorch_model.safetensors"
    save_file(weights(with_switches(SD1, **SHAPE)), path)
    (folder / "config.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"config.json beside diffusion_pytorch_model|diffusion_pytorch_model.safetensors says"
    ):
        open_model(path)
