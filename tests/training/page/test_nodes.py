"""The training nodes on the real server: a run that is cancelled, resumed and finished, and one that is killed."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.long(seconds=60)

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("the nodes need a ComfyUI: set COMFYUI_PATH", allow_module_level=True)

SETTINGS = {
    "recipe": "autoencoder (VAE)", "preset": "CPU", "start_model": "none", "vae_name": "none", "steps": 20, "batch_size": 48,
    "gradient_accumulation": 1, "learning_rate": 0.001, "precision": "fp32", "trained_weights": "auto", "seed": 3,
    "processes": 1, "start_controlnet": "none", "clip_vision_folder": "", "sample_every": 5, "checkpoint_every": 100,
    "extra_settings": '{"threads": 1, "model": {"crop": 16}}',
}  # fmt: skip
SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 32, "cross_modal_width": 0, "prediction": "v",
}  # fmt: skip


STAGE = {"data_source": "test videos", "data_source.clips": 3, "data_source.first_seed": 1000}


def node(kind, /, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def train_prompt(name, **changes):
    return {
        "1": node("DuetTrainingData", size=32, frames=2, **STAGE),
        "2": node("DuetTrainingSettings", **SETTINGS | changes),
        "3": node("DuetTrainModel", training_data=["1", 0], training_settings=["2", 0], run_name=name),
        "4": node("PreviewAny", source=["3", 0]),
        "5": node("PreviewImage", images=["3", 1]),
    }


def log(server, name):
    file = server.output / "duet_training" / name / "log.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def at_step(server, step, act):
    """Calls `act` with the prompt's id once, when the progress bar has come to a step."""
    done = []

    def on_event(kind, data):
        if kind == "progress" and data["value"] >= step and not done:
            done.append(time.monotonic())
            act(data["prompt_id"])

    return on_event


def children(run: Path):
    """Processes that work on a run folder, by what /proc says of them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if str(run / "run.json") in words:
            found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def vae_run(server):
    """One run through three prompts: cancelled by the host's Cancel, resumed to its end."""
    from duet_host.client import interrupt, object_info, run_prompt

    cancel = at_step(server, 6, lambda prompt_id: interrupt(server.url, prompt_id))
    cancelled = run_prompt(server.url, train_prompt("small_vae"), cancel)
    after = log(server, "small_vae")
    left = children(server.output / "duet_training" / "small_vae")
    resume = {"1": node("DuetResumeTraining", run_name="small_vae"), "2": node("PreviewAny", source=["1", 2])}
    resumed = run_prompt(server.url, resume)
    return {"cancelled": cancelled, "log": after, "left": left, "resumed": resumed, "info": object_info(server.url)}


def test_cancel_saves_a_checkpoint_and_leaves_nothing_running(vae_run, server):
    assert vae_run["cancelled"].error["type"] == "execution_interrupted", vae_run["cancelled"]
    steps = [entry["step"] for entry in vae_run["log"]]
    assert 6 <= max(steps) < 20, "it ended between the cancel and the end"
    assert vae_run["left"] == []


def test_progress_shows_steps_and_samples(vae_run):
    values = [data for kind, data in vae_run["resumed"].events if kind == "progress"]
    assert values[-1]["max"] == 20 and values[-1]["value"] == 20
    assert min(data["value"] for data in values) <= 8 or len(values) > 1


def test_resumed_it_finishes_and_its_vae_is_in_the_list(vae_run, server):
    result = vae_run["resumed"]
    assert result.ok, (result.error, result.node_errors)
    entries = log(server, "small_vae")
    assert [entry["step"] for entry in entries if "loss" in entry] == list(range(1, 21)), "every step once"
    assert entries[-1]["event"] == "finished"
    assert "20 of 20 steps" in result.outputs["2"]["text"][0] and "vae/small_vae.safetensors" in str(result.outputs)
    options = vae_run["info"]["VAELoader"]["input"]["required"]["vae_name"]
    assert "small_vae.safetensors" in str(options)


def test_the_stock_loader_opens_what_it_made(vae_run, run):
    prompt = {
        "1": node("VAELoader", vae_name="small_vae.safetensors"),
        "2": node("EmptyImage", width=64, height=64, batch_size=1, color=0x8040C0),
        "3": node("VAEEncode", pixels=["2", 0], vae=["1", 0]),
        "4": node("VAEDecode", samples=["3", 0], vae=["1", 0]),
        "5": node("PreviewImage", images=["4", 0]),
    }
    result = run(prompt)
    assert result.ok and result.outputs["5"]["images"], result.error


def test_a_finished_run_is_not_trained_again(vae_run, server, run):
    begin = time.monotonic()
    result = run(train_prompt("small_vae"))
    assert result.ok and "finished" in result.outputs["3"]["text"][0], result.error
    assert time.monotonic() - begin < 5, "no process was started"
    vaes = sorted(path.name for path in (server.log.parent / "models" / "vae").glob("small_vae*"))
    assert vaes == ["small_vae.safetensors"], "the same file is not copied twice"


def test_other_settings_in_its_folder_are_refused(vae_run, run):
    result = run(train_prompt("small_vae", seed=4))
    assert result.error["node_id"] == "3"
    assert "(seed differ)" in result.error["exception_message"]
    assert "Resume Training" in result.error["exception_message"]


def test_damaged_checkpoints_are_told_and_nothing_begins_again(vae_run, server, run):
    import shutil

    runs = server.output / "duet_training"
    shutil.copytree(runs / "small_vae", runs / "damaged")
    (runs / "damaged/log.jsonl").write_text("")
    for file in (runs / "damaged").glob("checkpoints/*/model.safetensors"):
        file.write_bytes(b"0")
    result = run({"1": node("DuetResumeTraining", run_name="damaged")})
    message = result.error["exception_message"]
    assert "No checkpoint can be read in" in message and "delete that folder to begin again" in message, message
    assert "continues from the newest" not in message


def test_a_finished_run_with_a_spoiled_log_finishes_again(vae_run, server, run):
    import shutil

    runs = server.output / "duet_training"
    shutil.copytree(runs / "small_vae", runs / "spoiled")
    (runs / "spoiled/log.jsonl").write_bytes(b'\xff\xfe{"step": 3, "lo')
    result = run({"1": node("DuetResumeTraining", run_name="spoiled"), "2": node("PreviewAny", source=["1", 2])})
    assert result.ok and "20 of 20 steps" in result.outputs["2"]["text"][0], result.error


def test_plot_shows_the_curve_and_the_numbers(vae_run, run):
    result = run({"1": node("DuetPlotTraining", run_name="small_vae")})
    assert result.ok, result.error
    assert result.outputs["1"]["images"] and "loss: " in result.outputs["1"]["text"][0]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to find the process")
def test_a_killed_process_is_told_in_words_and_the_server_lives_on(server, run):
    folder = server.output / "duet_training" / "killed"
    killed = []

    def kill(_):
        for pid in children(folder):
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    result = run(train_prompt("killed", checkpoint_every=2), at_step(server, 5, kill))
    assert len(killed) == 1
    message = result.error["exception_message"]
    assert result.error["node_id"] == "3" and "signal 9" in message and "Resume Training" in message, message
    assert run({"1": node("DuetPlotTraining", run_name="killed")}).ok


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", "", "C:\\x"])
def test_a_run_name_never_leads_out_of_its_folder(name, run):
    result = run({"1": node("DuetResumeTraining", run_name=name)})
    assert "A run name is one plain name" in result.error["exception_message"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "video and depth 2: pictures"}, "trains on the latents of a VAE"),
        (
            {
                "recipe": "video and depth 2: pictures",
                "vae_name": "duet_vae_128.safetensors",
                "trained_weights": "lora",
            },
            "choose a start_model",
        ),
        ({"extra_settings": '{"stpes": 3}'}, "has no settings named stpes"),
        ({"extra_settings": "{"}, "extra_settings: expected JSON"),
        ({"extra_settings": '{"folder": "/tmp"}'}, "without data, folder and recipe"),
        ({"extra_settings": '{"workers": 100000}'}, "workers is a whole number from 0 to 128, not 100000"),
        ({"extra_settings": '{"model": {"corp": 16}}'}, "has no settings named corp: did you mean crop?"),
        (
            {
                "recipe": "video and depth 2: pictures",
                "vae_name": "duet_vae_128.safetensors",
                "extra_settings": '{"model": {"init": "/nowhere.safetensors"}}',
                "steps": 1,
            },
            "training ended before its first",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(changes, words, run):
    result = run(train_prompt("refused", **changes))
    assert "exception_message" in result.error, (result.error, result.node_errors)
    assert words in result.error["exception_message"], result.error["exception_message"]


def test_the_three_stages_follow_each_other_and_the_model_opens(vae_run, run):
    """The shipped workflows, small: each takes the files that the one before put into the models folders."""
    folder = Path(__file__).resolve().parents[3] / "training" / "workflows" / "api"
    small = {
        "steps": 2,
        "batch_size": 2,
        "sample_every": 0,
        "extra_settings": json.dumps({"threads": 1, "model": {"config": SHAPE}}),
    }
    for name in ("train_haop", "train_pictures", "train_clips"):
        prompt = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        prompt["1"]["inputs"] |= STAGE | {"size": 32, "frames": 2}
        prompt["2"]["inputs"] |= small | {"vae_name": "small_vae.safetensors"}
        if name != "train_haop":
            prompt["2"]["inputs"]["extra_settings"] = '{"threads": 1}'
        result = run(prompt)
        assert result.ok, (name, result.error, result.node_errors)
    loaded = run({
        "1": node("DuetLoadVideoModel", model_name="my_clips.safetensors", add_untrained_layers="none"),
        "2": node("PreviewAny", source=["1", 2]),
        "3": node("DuetLoadPoseControlNet", control_net_name="my_clips.safetensors"),
        "4": node("PreviewAny", source=["3", 0]),
    })  # fmt: skip
    assert loaded.ok, (loaded.error, loaded.node_errors)
    assert "Duet" in loaded.outputs["2"]["text"][0]


@pytest.mark.parametrize("name", ["train_one_shot", "train_one_shot_depth"])
def test_a_model_is_tuned_on_one_clip_and_its_tuning_is_listed(name, run, server):
    """The shipped workflows of video tuning, small."""
    from duet_host.client import object_info

    folder = Path(__file__).resolve().parents[3] / "training" / "workflows" / "api"
    prompt = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    prompt["1"]["inputs"] |= {"size": 64, "frames": 2}
    small = {"preset": "CPU", "steps": 1, "sample_every": 0, "extra_settings": '{"threads": 1}'}
    prompt["4"]["inputs"] |= small | {"vae_name": "duet_vae_128.safetensors"}
    prompt["5"]["inputs"]["run_name"] = f"small_{name}"
    result = run(prompt)
    assert result.ok, (result.error, result.node_errors)
    listed = object_info(server.url)["DuetLoadVideoTuning"]["input"]["required"]["tuning_name"]
    assert f"small_{name}.safetensors" in str(listed)


def test_the_autoencoder_and_then_its_flow_follow_each_other_and_the_model_opens(run):
    """The shipped workflows of latent flow, small."""
    folder = Path(__file__).resolve().parents[3] / "training" / "workflows" / "api"
    for name, autoencoder in (("train_flow_autoencoder", "none"), ("train_flow", "my_flow_autoencoder.safetensors")):
        prompt = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        prompt["1"]["inputs"] |= STAGE | {"size": 32, "frames": 2}
        prompt["2"]["inputs"] |= {
            "steps": 2,
            "batch_size": 2,
            "sample_every": 0,
            "vae_name": autoencoder,
            "extra_settings": '{"threads": 1}',
        }
        result = run(prompt)
        assert result.ok, (name, result.error, result.node_errors)
    files = {"model_name": "my_flow.safetensors", "autoencoder_name": "my_flow_autoencoder.safetensors"}
    loaded = run({
        "1": node("DuetLoadFlowModel", **files, label_name="auto", bert_folder="", heat_map_padding="auto"),
        "2": node("CLIPTextEncode", clip=["1", 1], text="wave"),
        "3": node("DuetEmptyLatent", model=["1", 0], width=32, height=32, frames=2, batch_size=1),
        "4": node("EmptyImage", width=32, height=32, batch_size=1, color=0x8040C0),
        "5": node("DuetEncodeStill", autoencoder=["1", 2], still_image=["4", 0], positive=["2", 0], negative=["2", 0]),
        "6": node("KSampler", model=["1", 0], seed=1, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple",
                  positive=["5", 0], negative=["5", 1], latent_image=["3", 0], denoise=1.0),
        "7": node("DuetDecodeFlow", latent=["6", 0], batch_index=0),
        "8": node("DuetAnimateStill", autoencoder=["1", 2], still_image=["4", 0], flow=["7", 0]),
        "9": node("PreviewImage", images=["8", 0]),
    })  # fmt: skip
    assert loaded.ok and len(loaded.outputs["9"]["images"]) == 2, (loaded.error, loaded.node_errors)
