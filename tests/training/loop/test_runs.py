"""Whole runs as processes: cut over two processes, stopped, killed and resumed, they train the same weights."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.long(seconds=60)

LAUNCH = Path(__file__).resolve().parents[3] / "training" / "launch.py"
RUN = {
    "recipe": "vae", "data": {"kind": "stage", "clips": 3, "size": 32, "frames": 2, "in_memory": True}, "folder": "run",
    "model": {"crop": 16}, "steps": 24, "batch": 2, "lr": 1e-3, "warmup": 4, "ema": 0.9, "threads": 1,
    "device": "cpu", "checkpoint_every": 5, "keep": 2, "sample_every": 12, "seed": 3,
}  # fmt: skip


def start(folder: Path, processes: int = 1, **changes) -> subprocess.Popen:
    """A run in its own process group, as a terminal or the node would start it."""
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(RUN | changes), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", str(free_port())]
    command = [sys.executable, *(torchrun if processes > 1 else []), str(LAUNCH), str(folder / "run.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def finish(process: subprocess.Popen) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return text


def log(folder: Path) -> list[dict]:
    file = folder / "run" / "log.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in log(folder) if "loss" in entry]


def checkpoint(folder: Path, step: int = 24) -> dict[str, torch.Tensor]:
    path = folder / "run" / "checkpoints" / f"step_{step:08}"
    parts = {part.stem: load_file(part) for part in path.glob("*.safetensors")}
    assert set(parts) == {"model", "average", "optimizer"}
    return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def wait_for_step(process: subprocess.Popen, folder: Path, step: int) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        if len(losses(folder)) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"the run came only to step {len(losses(folder))}: {process.communicate()[0]}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Uninterrupted runs of one and of two processes with the same whole batch."""
    folder = tmp_path_factory.mktemp("whole")
    for processes in (1, 2):
        finish(start(folder / str(processes), processes, accumulate=3 - processes))
    return folder


def test_two_processes_train_as_one_with_twice_the_accumulation(whole):
    """Each rank reads half of every batch; the logged loss is the mean of both, which one rank alone cannot give."""
    one, two = losses(whole / "1"), losses(whole / "2")
    assert len(one) == len(two) == 24 and one[0] != one[1]
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-4
    states = [
        json.loads((whole / n / "run/checkpoints/step_00000024/state.json").read_text(encoding="utf-8")) for n in "12"
    ]
    assert [state["processes"] for state in states] == [1, 2]
    other = checkpoint(whole / "2")
    for name, value in checkpoint(whole / "1").items():
        assert (value - other[name]).abs().max() < 1e-3, name


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_any_step_and_resumed_the_weights_are_the_same_to_the_bit(whole, tmp_path, processes):
    """Three starts of a run with two kill -9 between take 20 s."""
    r = random.Random(f"{os.environ.get('DUET_TEST_SALT', '')}/{processes}")
    for at in (r.randrange(1, 10), r.randrange(11, 20)):
        process = start(tmp_path, processes, accumulate=3 - processes)
        wait_for_step(process, tmp_path, at)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(start(tmp_path, processes, accumulate=3 - processes))
    assert same(checkpoint(tmp_path), checkpoint(whole / str(processes)))
    steps = [entry["step"] for entry in log(tmp_path) if "loss" in entry]
    assert steps == list(range(1, 25)), "every step is in the log once"


def test_asked_to_stop_it_saves_the_step_and_goes_on_from_there(whole, tmp_path):
    process = start(tmp_path, accumulate=2)
    wait_for_step(process, tmp_path, 7)
    os.killpg(process.pid, signal.SIGTERM)
    assert finish(process).strip().endswith("stopped")
    done = len(losses(tmp_path))
    assert (tmp_path / "run" / "checkpoints" / f"step_{done:08}").is_dir() and done < 24
    finish(start(tmp_path, accumulate=2))
    assert same(checkpoint(tmp_path), checkpoint(whole / "1"))


def test_a_run_leaves_what_it_promises(whole):
    run = whole / "1" / "run"
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step_00000020", "step_00000024"]
    assert [path.name for path in sorted((run / "samples").iterdir())] == ["step_00000012.png", "step_00000024.png"]
    assert (run / "curve.png").stat().st_size > 1000 and (run / "model" / "vae.safetensors").is_file()
    assert log(whole / "1")[-1]["event"] == "finished"
    assert not list(run.rglob("*.tmp"))


def test_a_damaged_checkpoint_is_passed_over_by_name(whole, tmp_path):
    import shutil

    shutil.copytree(whole / "1", tmp_path / "copy")
    newest = tmp_path / "copy/run/checkpoints/step_00000024/model.safetensors"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    finish(start(tmp_path / "copy", accumulate=2))
    assert any("model.safetensors changed" in entry.get("reason", "") for entry in log(tmp_path / "copy"))
    assert same(checkpoint(tmp_path / "copy"), checkpoint(whole / "1"))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"recipe": "idl"}, "recipe is one of vae"),
        ({"stpes": 3}, "has no settings named stpes"),
        ({"lr": -1}, "lr is a number from 0 to 10, not -1"),
        ({"data": {"kind": "stag"}}, "kind is one of stage"),
        ({"data": {"kind": "stage", "clip": 3}}, "clip"),
        ({"precision": "fp8"}, "precision is one of"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(tmp_path, changes, words):
    process = start(tmp_path, **changes)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in text
    assert "error: " in text and words in text
