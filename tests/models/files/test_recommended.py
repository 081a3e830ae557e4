"""What a model's file recommends: in its metadata, in a JSON file beside it, or nothing."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from pack.models.files.recommended import CLIP, KEY, PAIR, Recommended, far_off, read_recommended
from safetensors.torch import save_file

WEIGHTS = Path(__file__).resolve().parents[3] / "weights"
OWN = Recommended(128, 96, 8, 4, 1.5, "ddim", "simple")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.safetensors"


def written(path, metadata=None, beside=None):
    save_file({"weight": torch.zeros(1)}, str(path), metadata)
    if beside is not None:
        path.with_suffix(".json").write_text(beside if isinstance(beside, str) else json.dumps(beside))
    return path


def test_the_metadata_wins_over_the_file_beside_and_that_over_the_family(file):
    other = {KEY: asdict(replace(OWN, steps=9))}
    assert read_recommended(written(file, {KEY: OWN.to_json()}, other), PAIR) == OWN
    assert read_recommended(written(file, None, other), PAIR).steps == 9
    file.with_suffix(".json").unlink()
    assert read_recommended(file, PAIR) == PAIR


def test_what_is_left_out_is_the_familys(file):
    assert read_recommended(written(file, {KEY: '{"frames": 3}'}), PAIR) == replace(PAIR, frames=3)


@pytest.mark.parametrize("beside", [{"description": "a note"}, [1], "7"])
def test_the_file_of_another_program_is_left_alone(file, beside):
    assert read_recommended(written(file, None, beside), CLIP) == CLIP


def test_a_pickle_is_not_opened_for_it(tmp_path):
    file = tmp_path / "DM_MUG.pth"
    file.write_bytes(b"not a pickle")
    assert read_recommended(file, CLIP) == CLIP
    file.with_suffix(".json").write_text(json.dumps({KEY: asdict(OWN)}))
    assert read_recommended(file, CLIP) == OWN


@pytest.mark.parametrize(("values", "says"), [
    ("{", "settings in model.safetensors are not JSON"),
    ("[" * 100000, "settings in model.safetensors are not JSON"),
    ("[1]", "expected an object"),
    ('{"shift": 3}', "expected an object with width, .*shift"),
    ('{"steps": 0}', "steps is a whole number from 1 to 10000, not 0"),
    ('{"steps": 1e9}', "steps is a whole number"),
    ('{"frames": true}', "frames is a whole number"),
    ('{"width": 100000}', "width is a whole number from 16 to 4096"),
    ('{"cfg": NaN}', "cfg is a number from 0 to 100, not nan"),
    ('{"cfg": "7"}', "cfg is a number"),
    ('{"sampler": 3}', "sampler is the name of one"),
    ('{"scheduler": ""}', "scheduler is the name of one"),
])  # fmt: skip
def test_settings_that_cannot_be_used_are_refused_with_the_name_of_the_file(file, values, says):
    with pytest.raises(ValueError, match=says) as refused:
        read_recommended(written(file, {KEY: values}), PAIR)
    assert "model.safetensors" in str(refused.value)


def test_a_damaged_file_beside_is_named(file):
    with pytest.raises(ValueError, match="settings in model.json are not JSON"):
        read_recommended(written(file, None, "{"), PAIR)


@pytest.mark.parametrize(("name", "expected"), [
    ("diffusion_models/duet_dance_128", (128, 128, 16, 2, 1.0, "ddim", "sgm_uniform")),
    ("diffusion_models/duet_words_128", (128, 128, 8, 20, 1.5, "ddim", "ddim_uniform")),
    ("diffusion_models/duet_character_128", (128, 128, 16, 20, 1.0, "euler", "simple")),
    ("diffusion_models/duet_wan_128", (128, 128, 16, 4, 1.0, "euler", "simple")),
    ("flow_models/duet_flow_64", (64, 64, 12, 20, 1.5, "euler_ancestral", "simple")),
])  # fmt: skip
def test_shipped_weights_recommend_what_they_were_measured_with(name, expected):
    assert read_recommended(WEIGHTS / f"{name}.safetensors", PAIR) == Recommended(*expected)


@pytest.mark.parametrize(("steps", "cfg", "expected"), [
    (2, 1.0, None), (8, 2.0, None), (1, 0.0, None),
    (9, 1.0, "with 9 steps colours"), (2, 2.1, "with cfg 2.1 colours"), (20, 7.0, "with 20 steps and cfg 7 colours"),
])  # fmt: skip
def test_settings_far_from_those_of_the_file_are_named(steps, cfg, expected):
    found = far_off(replace(PAIR, steps=2, cfg=1.0), steps, cfg)
    assert found is expected is None or expected in found and "recommends 2 steps and cfg 1;" in found


def test_few_steps_are_far_only_where_all_were_to_be_made():
    assert "with 4 steps colours" in far_off(CLIP, 4, 7.5)  # 25 are recommended
    assert far_off(CLIP, 4, 7.5, few=False) is None and far_off(CLIP, 7, 7.5) is None
