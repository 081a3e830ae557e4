"""Sharded runs train what whole ones train, and their files are the same: real processes under torchrun.

Each start of two processes takes about ten seconds, most of it imports; together they train less than twenty steps.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pack.models.files import open_controlnet, open_model
from pack.models.opencv import import_cv2
from pack.models.unet.small_vae import SmallVAE
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.long(seconds=130)

PROCESS = Path(__file__).with_name("shard_process.py")
PATIENCE = 900  # seconds until a run that hangs is ended
SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 32, "cross_modal_width": 0, "prediction": "v",
}  # fmt: skip
DATA = {"kind": "stage", "clips": 2, "size": 32, "frames": 2}
RUN = {
    "recipe": "idol_video", "data": DATA, "folder": "run", "steps": 4, "batch": 1, "accumulate": 2, "lr": 1e-3,
    "warmup": 1, "ema": 0.9, "threads": 1, "device": "cpu", "checkpoint_every": 2, "keep": 5, "sample_every": 2,
    "seed": 3, "sharding": "full",
}  # fmt: skip
CASES = {
    "vae": {"recipe": "vae", "model": {"crop": 16}},
    "people put back": {"recipe": "idol_haop"},
    "adapters beside a frozen base": {"recipe": "idol_image", "trains": "lora", "lora_rank": 4},
    "half precision": {"recipe": "idol_video", "precision": "bf16"},
    "features computed twice": {"recipe": "idol_video", "gradient_checkpointing": True},
    "two networks": {"recipe": "idol_video", "config": {"streams": "separate", "label": False, "cross_modal": "none"}},
    "Wan": {"recipe": "wan_pair", "shape": {"dim": 48, "ffn_dim": 64, "num_heads": 2, "num_layers": 2}},
}


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_file(SmallVAE().start_as_thumbnail().state_dict(), path)
    return str(path)


def start(what: str, folder: Path, settings: dict, processes: int = 2, last: tuple = ()) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [*(torchrun if processes > 1 else []), str(PROCESS), what, str(folder / "run.json"), str(folder), *last]
    return subprocess.Popen(
        [sys.executable, *command], env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> None:
    try:
        text, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, text


def train(folder: Path, vae: str, processes: int = 2, **changes) -> None:
    finish(start("run", folder, RUN | {"model": {"vae": vae, "config": SHAPE}} | changes, processes))


def logged(folder: Path, name: str = "loss") -> list[float]:
    file = folder / "run" / "log.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [entry[name] for entry in map(json.loads, lines) if name in entry]


def checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    parts = {part.stem: load_file(part) for part in (folder / "run/checkpoints/step_00000004").glob("*.safetensors")}
    assert set(parts) == {"model", "average", "optimizer"}
    return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}


def apart(one: dict, other: dict, part: str = "") -> float:
    """The mean difference; none is as large as one step, which AdamW may take either way where a gradient is all rounding."""
    assert one.keys() == other.keys() and all(one[name].shape == other[name].shape for name in one)
    off = torch.cat([(one[name] - other[name]).abs().flatten() for name in one if name.startswith(part)])
    assert off.max() < RUN["lr"]
    return off.mean().item()


def farthest(one: list[float], other: list[float]) -> float:
    assert len(one) == len(other) == RUN["steps"]
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def runs(vae, tmp_path_factory):
    """The same run of two processes, sharded and whole."""
    folder = tmp_path_factory.mktemp("runs")
    for sharding in ("full", "none"):
        train(folder / sharding, vae, sharding=sharding)
    return folder


@pytest.fixture(scope="module")
def killed(vae, tmp_path_factory):
    """A sharded run, killed when the log had step 3 and the checkpoints only step 2; it draws no samples."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    settings = RUN | {"model": {"vae": vae, "config": SHAPE}, "sample_every": 0}
    process = start("run", folder, settings, last=("3",))
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode and "SIGKILL" in text and len(logged(folder)) == 3, text
    assert [path.name for path in (folder / "run/checkpoints").iterdir()] == ["step_00000002"]
    return folder


def test_sharded_processes_train_what_whole_ones_train(runs):
    """Loss, norm of the gradient over all shares, weights, AdamW's state, and the average that samples are drawn with."""
    for name in ("loss", "motion", "maps", "grad_norm"):
        assert farthest(logged(runs / "full", name), logged(runs / "none", name)) < 1e-4, name
    assert logged(runs / "full")[0] != logged(runs / "full")[1]
    one, other = checkpoint(runs / "full"), checkpoint(runs / "none")
    for part in ("model", "average", "optimizer"):
        assert apart(one, other, part) < 1e-6, part
    for step in (2, 4):
        pictures = [import_cv2().imread(str(runs / n / f"run/samples/step_{step:08}.png")) for n in ("full", "none")]
        assert pictures[0].std() > 10 and abs(pictures[0].astype(int) - pictures[1].astype(int)).max() <= 3


def test_processes_with_and_without_a_first_step_train_what_whole_ones_train(vae, tmp_path):
    """Half of the examples get one, one example a process: in some turns both, one or neither computes it."""
    chosen = [(Draws(RUN["seed"], number).uniform("second", 1) < 0.5).item() for number in range(16)]
    turns = {sum(chosen[turn : turn + 2]) for turn in range(0, 16, 2)}
    assert turns == {0, 1, 2}
    validated = {"validate_every": 2, "validation": {"clips": 2}}
    for sharding in ("full", "none"):
        train(tmp_path / sharding, vae, sharding=sharding, losses={"second": 0.5}, sample_every=0, **validated)
    for name in ("loss", "depth", "grad_norm"):
        assert farthest(logged(tmp_path / "full", name), logged(tmp_path / "none", name)) < 1e-4, name
    assert apart(checkpoint(tmp_path / "full"), checkpoint(tmp_path / "none")) < 1e-5
    (one, best), (other, same) = (
        (logged(tmp_path / n, "validation"), logged(tmp_path / n, "best")) for n in ("full", "none")
    )
    assert len(one) == 2 and one == pytest.approx(other, abs=1e-4) and best[0]["step"] == same[0]["step"]


def test_each_process_holds_its_half_of_everything_that_trains(runs):
    """Of the weights, of AdamW's state and of the average; without shares each process holds all."""
    held = {n: [json.loads((runs / n / f"held_{rank}.json").read_text()) for rank in (0, 1)] for n in ("full", "none")}
    for part, everything in held["none"][0].items():
        assert everything == held["none"][1][part] > 1e6
        shares = [held["full"][rank][part] for rank in (0, 1)]
        assert all(0.49 < share / everything < 0.52 for share in shares), (part, shares, everything)
        assert sum(shares) >= everything


def test_a_killed_sharded_run_goes_on_bit_for_bit(vae, runs, killed, tmp_path):
    """It draws no samples, the one that nobody killed draws two: so samples leave no trace in the weights either."""
    shutil.copytree(killed, tmp_path / "copy")
    train(tmp_path / "copy", vae, sample_every=0)
    one, other = checkpoint(tmp_path / "copy"), checkpoint(runs / "full")
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert logged(tmp_path / "copy") == logged(runs / "full")


def test_one_process_goes_on_with_a_sharded_run(vae, runs, killed, tmp_path):
    """Alone there is nothing to share: the same settings, with the work of two in twice the turns."""
    shutil.copytree(killed, tmp_path / "copy")
    train(tmp_path / "copy", vae, processes=1, accumulate=4, sample_every=0)
    assert farthest(logged(tmp_path / "copy"), logged(runs / "full")) < 1e-4
    assert apart(checkpoint(tmp_path / "copy"), checkpoint(runs / "full")) < 1e-6


def test_a_sharded_run_goes_on_with_a_whole_one(vae, runs, tmp_path):
    shutil.copytree(runs / "none", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/run/checkpoints/step_00000004")
    train(tmp_path / "copy", vae, sample_every=0)
    assert json.loads((tmp_path / "copy/held_1.json").read_text())["model"] > 0
    assert farthest(logged(tmp_path / "copy"), logged(runs / "full")) < 1e-4
    assert apart(checkpoint(tmp_path / "copy"), checkpoint(runs / "full")) < 1e-6


@pytest.mark.parametrize("file, opener", [("model", open_model), ("pose", open_controlnet)])
def test_a_sharded_run_writes_the_models_that_a_whole_one_writes(runs, file, opener):
    opened = [opener(runs / n / f"run/model/{file}.safetensors") for n in ("full", "none")]
    (config, state, _), (same, other, _) = opened
    average = checkpoint(runs / "full")
    prefix = {"model": "average/unet.", "pose": "average/controlnet."}[file]
    assert config == same and state.keys() == other.keys()
    for name, value in state.items():
        assert (value.float() - other[name].float()).abs().max() < 2e-3, name
        assert torch.equal(value, average[prefix + name].half()), name


def test_every_recipe_has_the_same_gradient_in_shares(vae, tmp_path):
    """Frozen bases, half precision and separate networks: one step of both, two processes with their own data."""
    base = RunSettings(recipe="idol_image", data=DATA, folder="", model={"vae": vae, "config": SHAPE})
    init = str(make_recipe(base).export(tmp_path)[0])
    cases = {}
    for name, case in CASES.items():
        model = {"vae": vae, "config": case.get("shape", SHAPE | case.get("config", {}))}
        model = {"vae": vae, "init": init} if case.get("trains") else case.get("model", model)
        rest = {key: value for key, value in case.items() if key not in ("config", "shape")}
        cases[name] = {"data": DATA, "folder": ""} | rest | {"model": model}
    finish(start("compare", tmp_path / "cases", cases))
    found = [json.loads((tmp_path / f"cases/found_{rank}.json").read_text()) for rank in (0, 1)]
    for name in CASES:
        assert found[0][name]["loss"] != found[1][name]["loss"], "each process has its own data"
        for seen in (found[0][name], found[1][name]):
            assert seen["off"] < 1e-6 and seen["gradient"] > 1e-3, (name, seen)
            near = 2e-2 if name == "half precision" else 1e-4  # sums of 8 bits in another order
            assert seen["worst"] < near * seen["gradient"], (name, seen)


def test_another_sharding_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="sharding is one of none, full, not 'half'"):
        RunSettings(recipe="vae", data={"kind": "stage"}, folder="", sharding="half")
