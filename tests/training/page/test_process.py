"""A run as a child process: ended with its parent, locked, explained; and where its files go."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pack.training.page.deliver import deliver
from pack.training.page.presets import NEW, SIZES, preset, start_from
from pack.training.page.process import TrainingProcess, clock, progress_of, training
from pack.training.page.settings import RECIPES, RunSettings
from pack.training.page.start import begin, existing_run, is_finished, locked, run_folder, stored

pytestmark = pytest.mark.long(seconds=15)

TRAINING = Path(__file__).resolve().parents[3] / "training"
RUN = RunSettings(
    recipe="vae", data={"kind": "stage", "clips": 3, "size": 32, "frames": 2}, folder=".", model={"crop": 16},
    steps=2000, batch=2, warmup=2, threads=1, device="cpu", checkpoint_every=1000, sample_every=0,
)  # fmt: skip
PARENT = """
import importlib.util, json, sys, types
from pathlib import Path
pack = types.ModuleType("t"); pack.__path__ = [sys.argv[1]]; sys.modules["t"] = pack
from t.page.process import training
with training(Path(sys.argv[2]), 2000, int(sys.argv[3])) as process:
    print(process.process.pid, flush=True)
    for state in process.follow():
        if state.step >= 3:
            print("running", flush=True)
"""


def wait_until(seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


def is_free(folder):
    """Nobody holds the lock of a run, so nothing trains in it."""
    try:
        with locked(folder):
            return True
    except ValueError:
        return False


@pytest.mark.parametrize("processes", [1, 2])
def test_when_the_host_is_killed_the_run_saves_and_ends(tmp_path, processes):
    begin(tmp_path / "run", RUN, processes)
    arguments = [sys.executable, "-c", PARENT, str(TRAINING), str(tmp_path / "run"), str(processes)]
    parent = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    int(parent.stdout.readline())
    assert parent.stdout.readline().strip() == "running", (tmp_path / "run" / "output.txt").read_text()
    assert not is_free(tmp_path / "run")
    parent.kill()
    parent.communicate()
    assert wait_until(60, lambda: is_free(tmp_path / "run")), "it is still running"
    done = progress_of(tmp_path / "run", 2000).step
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == [f"step_{done:08}"]
    state = json.loads((tmp_path / "run/checkpoints" / f"step_{done:08}" / "state.json").read_text(encoding="utf-8"))
    assert state["processes"] == processes


def test_two_trainings_never_share_a_folder(tmp_path):
    with training(begun(tmp_path), RUN.steps):
        with pytest.raises(ValueError, match="is being trained at this moment"), training(tmp_path / "run", 1):
            pass
    assert is_free(tmp_path / "run")


def begun(tmp_path, settings=RUN):
    begin(tmp_path / "run", settings, 1)
    return tmp_path / "run"


def ended(folder, code, said):
    """A training that has ended with an exit code after it said something."""
    made = TrainingProcess.__new__(TrainingProcess)
    made.folder, made.total, made.output = folder, 20, folder / "output.txt"
    made.output.write_text(said, encoding="utf-8")
    made.process = subprocess.Popen([sys.executable, "-c", f"import os; os._exit({code})"], stdin=subprocess.PIPE)
    return made


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (1, "x\nerror: The VAE a.safetensors does not exist: train one.\n", "The VAE a.safetensors does not exist"),
        (1, "Traceback\n  File x\nKeyError: 'vae'\n", "KeyError: 'vae'."),
        (1, "error: CUDA out of memory. Tried to allocate 2 GiB\n", "Choose a preset for a smaller GPU"),
        (1, "a\n  exitcode  : -9 (pid: 12)\n  error_file: <N/A>\n", "signal 9. The system does that when memory runs"),
        (1, "[rank1]: ValueError: no clips\ntorch.x.ChildFailedError: \n", "no clips."),
        (7, "Bus\n\n", "exit code 7 and its last line was: Bus"),
        (0, "stopped\n", "It was asked to stop"),
        (0, "finished\n", "Its process ended without an error, but"),
        (0, "", "log.jsonl does not tell the last steps"),
    ],
)
def test_the_reason_of_a_failure_is_a_sentence(tmp_path, code, said, reason):
    with pytest.raises(RuntimeError) as failure:
        list(ended(tmp_path, code, said).follow())
    text = str(failure.value)
    assert text.startswith("The training ended before its first step.") and reason in text and "output.txt" in text


@pytest.mark.parametrize("log", [b'{"step": 3, "loss": 0.1, "sec', b"\x00\xff\xfe", b"[1]\n7\n", b'{"loss": "x"}\n'])
def test_a_run_that_finished_is_told_by_its_last_entry(tmp_path, log):
    """Whatever the lines before it have become, and without them the speed is not known."""
    finished = b'\n{"event": "finished", "step": 20, "files": ["vae.safetensors"]}\n'
    (tmp_path / "log.jsonl").write_bytes(log + finished)
    state = list(ended(tmp_path, 0, "finished\n").follow())[-1]
    assert (state.step, state.loss, state.seconds) == (20, None, None)


def test_a_run_without_a_whole_checkpoint_is_not_told_to_resume(tmp_path):
    (tmp_path / "checkpoints" / "step_00000003").mkdir(parents=True)
    said = "error: No checkpoint can be read in x (step_00000003: model.safetensors changed). Put back a copy of one.\n"
    with pytest.raises(RuntimeError, match="No checkpoint can be read in x") as failure:
        list(ended(tmp_path, 1, said).follow())
    assert "Resume Training" not in str(failure.value)


def settings(**changes):
    return RunSettings(**vars(RUN) | changes)


WHOLE_NUMBERS = ("steps", "batch", "accumulate", "warmup", "checkpoint_every", "keep", "sample_every", "workers",
                 "lora_rank", "threads", "seed", "validate_every")  # fmt: skip
REAL_NUMBERS = ("lr", "lr_floor", "ema", "clip", "weight_decay")


@pytest.mark.parametrize("name", [*WHOLE_NUMBERS, *REAL_NUMBERS])
@pytest.mark.parametrize("value", [-1, 10**19, float("nan"), float("inf"), "3", True, None, [1]])
def test_every_number_of_a_run_has_its_bounds(name, value):
    with pytest.raises(ValueError, match=f"{name} is a (whole )?number from .* to .*, not "):
        settings(**{name: value})


def test_every_setting_of_a_run_is_checked():
    from dataclasses import fields

    checked = {*WHOLE_NUMBERS, *REAL_NUMBERS, "betas", "gradient_checkpointing", "stratified", "model", "losses",
               "validation", "data", "recipe", "precision", "trains", "decay", "device", "sharding", "decayed"}  # fmt: skip
    assert {field.name for field in fields(RunSettings)} == checked | {"folder"}
    for name in WHOLE_NUMBERS:
        with pytest.raises(ValueError, match="whole number"):
            settings(**{name: 2.5})


@pytest.mark.parametrize(("changes", "words"), [
    ({"workers": 100_000}, "workers is a whole number from 0 to 128, not 100000."),
    ({"betas": (0.9,)}, "betas is a list of two numbers"), ({"betas": 3}, "betas is a list"),
    ({"betas": (0.9, 1.0)}, "betas is a number from 0 to 0.999999, not 1.0"),
    ({"gradient_checkpointing": 1}, "gradient_checkpointing is true or false, not 1"),
    ({"model": [1]}, "model is names with values"),
    ({"model": {"corp": 16}}, "model of the recipe vae has no settings named corp: did you mean crop?"),
    ({"model": {"kept": "a"}}, "has no settings named kept: it has axes_examples, channels, crop, decoder_only, init, people."),
    ({"model": {"crop": 10**6}}, "model: crop is a whole number from 8 to 4,096, not 1000000"),
    ({"model": {"people": 1.5}}, "model: people is a number from 0 to 1, not 1.5"),
    ({"model": {"decoder_only": "yes"}}, "model: decoder_only is true or false, not 'yes'"),
    ({"model": {"init": 3}}, "model: init is a text in quotes"),
    ({"losses": {"pixle": 1.0}}, "losses of the recipe vae has no settings named pixle: did you mean pixel?"),
    ({"losses": {"pixel": "x"}}, "losses: pixel is a number from 0 to"),
    ({"recipe": "mimo", "model": {"config": {"block_out_channels": [10**7, 8]}}}, "config: block_out_channels is a number"),
    ({"recipe": "depth_words", "model": {}, "losses": {"video": 1.0}}, "named video: it has none."),
])  # fmt: skip
def test_what_no_recipe_reads_is_refused(changes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        settings(**changes)


def test_unknown_names_of_a_run_are_refused_with_the_nearest_one():
    text = json.dumps({"recipe": "vae", "data": {"kind": "stage"}, "folder": ".", "wrokers": 3})
    with pytest.raises(ValueError, match=re.escape("has no settings named wrokers: did you mean workers?")):
        RunSettings.from_json(text)


@pytest.mark.parametrize("file", sorted((TRAINING / "runs").glob("*.json")), ids=lambda file: file.stem)
def test_the_runs_of_the_shipped_weights_are_read(file):
    assert RunSettings.from_file(file).folder.startswith(str(TRAINING))


def test_names_of_runs_stay_in_their_folder(tmp_path):
    assert run_folder(tmp_path, "my run-1.2") == tmp_path / "my run-1.2"
    for name in ("..", ".", ".hidden", "a/b", "a\\b", "/a", "C:x", "a.", "a ", "", "é", "x" * 200, "a\0b", "a\n"):
        with pytest.raises(ValueError, match="one plain name"):
            run_folder(tmp_path, name)
    with pytest.raises(ValueError, match="There are none yet"):
        existing_run(tmp_path, "nothing")


def test_a_folder_with_work_in_it_keeps_its_settings(tmp_path):
    folder = begun(tmp_path)
    other = RunSettings(**vars(RUN) | {"seed": 7})
    begin(folder, other, 2)  # nothing was trained yet, so a mistake can be mended
    assert stored(folder) == (other, 2)
    (folder / "checkpoints" / "step_00000003").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"\(seed, processes differ\).*Resume Training"):
        begin(folder, RUN, 1)
    begin(folder, other, 2)
    assert not is_finished(folder, other)


def test_a_run_of_the_command_line_can_be_resumed(tmp_path):
    """It has settings.json with the folder's whole path, and the number of processes in its checkpoints."""
    folder = tmp_path / "run"
    (folder / "checkpoints" / "step_00000003").mkdir(parents=True)
    (folder / "settings.json").write_text(RunSettings(**vars(RUN) | {"folder": "/elsewhere"}).to_json())
    (folder / "checkpoints" / "step_00000003" / "state.json").write_text('{"step": 3, "processes": 4}')
    assert stored(folder) == (RUN, 4) and existing_run(tmp_path, "run") == folder
    begin(folder, *stored(folder))
    assert RunSettings.from_file(folder / "run.json").folder == str(folder.resolve())


def test_files_are_delivered_once_and_never_overwrite(tmp_path):
    folder, models = tmp_path / "run", lambda kind: tmp_path / "models" / kind
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(b"one")
    (folder / "model" / "pose.safetensors").write_bytes(b"two")
    (tmp_path / "models" / "duet_controlnets").mkdir(parents=True)
    (tmp_path / "models" / "duet_controlnets" / "a.safetensors").write_bytes(b"somebody else's")
    names = [str(path.relative_to(tmp_path / "models")) for path in deliver(folder, "a", models)]
    assert names == [os.path.join("duet_models", "a.safetensors"), os.path.join("duet_controlnets", "a_2.safetensors")]
    assert deliver(folder, "a", models) == [tmp_path / "models" / name for name in names], "the same files again"
    assert (tmp_path / "models" / "duet_controlnets" / "a.safetensors").read_bytes() == b"somebody else's"
    assert not [path for path in (tmp_path / "models").rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("size", SIZES)
def test_every_preset_is_a_run(recipe, size):
    made = RunSettings(**preset(recipe, size), data={"kind": "stage"}, folder=".")
    assert made.warmup < made.steps and (made.device == "cpu") == (size == "CPU")


def test_a_new_network_is_small_and_trains_whole():
    from pack.models.unet.switches import SWITCHES

    assert set(NEW) <= set(SWITCHES)
    made = start_from("idol_haop", {"vae": "v"}, None)
    assert made == {"model": {"config": NEW, "freeze_resblocks": False, "vae": "v"}, "trains": "all"}
    assert start_from("idol_image", {"vae": "v", "init": "m"}, "lora") == {"model": {"vae": "v", "init": "m"}}


@pytest.mark.parametrize(("recipe", "part", "words"), [
    ("vae", "init", "does not use start_model: set it to none"),
    ("mimo", "controlnet", "does not use start_controlnet: set it to none"),
    ("one_shot", "clip", "does not use clip_vision_folder: leave it empty"),
    ("idol_haop", "controlnet", "does not use start_controlnet"),
])  # fmt: skip
def test_a_chosen_file_that_a_recipe_would_not_read_is_refused(recipe, part, words):
    with pytest.raises(ValueError, match=words):
        start_from(recipe, {"vae": "v", part: "x"}, None)


def test_time_left_reads_like_a_clock():
    assert [clock(seconds) for seconds in (0, 59.6, 3599, 3600, 90061)] == [
        "0:00",
        "1:00",
        "59:59",
        "1:00:00",
        "25:01:01",
    ]
