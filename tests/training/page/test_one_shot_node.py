"""The prompt of one-shot tuning on its way from the page to the run, and the files on their way back."""

import os
from pathlib import Path

import pytest
import torch

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("the nodes need a ComfyUI: set COMFYUI_PATH", allow_module_level=True)

import folder_paths
from pack.training.encode.tokens import read_tokens
from pack.training.page.deliver import deliver
from pack.training.page.presets import SIZES, preset, start_from
from pack.training.page.setup_nodes import TrainingSettingsNode

GIVEN = {
    "preset": "12 GB", "start_model": "m.safetensors", "vae_name": "v.safetensors", "steps": 0, "batch_size": 0,
    "gradient_accumulation": 0, "learning_rate": 0.0, "precision": "auto", "trained_weights": "auto", "seed": 1,
    "processes": 1, "start_controlnet": "none", "clip_vision_folder": "", "sample_every": 250, "checkpoint_every": 500,
    "extra_settings": "",
}  # fmt: skip


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for kind, name in (("vae", "v"), ("checkpoints", "m")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.safetensors").write_bytes(b"")
        known = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / kind)], known))
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    folder_paths.filename_list_cache.clear()
    yield tmp_path
    folder_paths.filename_list_cache.clear()


def settings(recipe="video tuning (one clip)", **changes):
    return TrainingSettingsNode.execute(recipe=recipe, **{**GIVEN, **changes}).result[0]["settings"]


def test_a_prompt_becomes_a_file_that_the_run_names(folders):
    tokens = torch.randn(1, 77, 1024)
    made = settings(positive=[[tokens, {}]])
    path = Path(made["model"]["text"])
    assert path.parent.parent == folders / "duet_training" and torch.equal(read_tokens(path, [1024]), tokens[0])
    assert settings(positive=[[tokens, {}]]) == made, "the same prompt is the same run"
    assert settings(positive=[[tokens + 1, {}]])["model"]["text"] != str(path)
    assert Path(made["model"]["init"]).name == "m.safetensors"


def test_the_paper_settings_are_the_preset(folders):
    made = settings()
    for name, value in {"steps": 500, "lr": 3e-5, "decay": "none", "warmup": 0, "batch": 1, "weight_decay": 1e-2,
                        "trains": "all", "gradient_checkpointing": True, "precision": "bf16"}.items():  # fmt: skip
        assert made[name] == value, name
    assert tuple(made["betas"]) == (0.9, 0.999)
    assert {size: preset("one_shot", size)["trains"] for size in SIZES} == {
        size: "lora" if size == "8 GB" else "all" for size in SIZES
    }


def test_what_does_not_belong_together_is_refused(folders):
    prompt = [torch.randn(1, 77, 768), {}]
    with pytest.raises(ValueError, match="video and depth 3: clips uses no prompt"):
        settings("video and depth 3: clips", positive=[prompt])
    with pytest.raises(ValueError, match="expected one prompt, got 2 joined ones"):
        settings(positive=[prompt, prompt])
    with pytest.raises(ValueError, match="needs an existing model"):
        settings(start_model="none")
    with pytest.raises(ValueError, match="lora can only be added to an existing model"):
        start_from("depth_words", {"vae": "v"}, "lora")
    assert start_from("depth_words", {"vae": "v"}, None) == {"model": {"vae": "v"}, "trains": "all"}


def test_a_tuning_is_delivered_before_its_lora(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    for name in ("lora", "tuning"):
        (tmp_path / "run" / "model" / f"{name}.safetensors").write_bytes(name.encode())
    made = deliver(tmp_path / "run", "cat", lambda kind: tmp_path / kind)
    assert made == [tmp_path / "model_patches" / "cat.safetensors", tmp_path / "loras" / "cat.safetensors"]
