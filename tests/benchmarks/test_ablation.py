"""The table of bench ablation, small: which rows begin from what, and what stands in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

pytestmark = pytest.mark.long(seconds=40)

ROOT = Path(__file__).resolve().parents[2]
ROWS = ["separate", "separate, narrow", "shared"]
SMALL = {
    "pictures": 2,
    "steps": 1,
    "batch": 1,
    "clips-to-train": 2,
    "size": 32,
    "frames": 2,
    "clips": 2,
    "sampling-steps": 2,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Five trainings and three judgings, a process each: about half a minute."""
    folder = tmp_path_factory.mktemp("ablation")
    words = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    arguments = ["--rows", *ROWS, "--seeds", "0", "--folder", str(folder), "--json"]
    command = [sys.executable, str(ROOT / "benchmarks" / "ablation.py"), *arguments, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_rows_as_wide_as_each_other_begin_from_one_picture_model(made):
    folder, _ = made
    runs = {run["folder"].rsplit("_seed0_", 1)[0]: run for run in map(read, folder.glob("*.json"))}
    assert set(runs) == {"pictures_wide", "pictures_narrow", "separate", "separate_narrow", "shared"}
    begun = {name: run["model"].get("init", "") for name, run in runs.items()}
    of = lambda name: str(folder / runs[name]["folder"] / "model" / "model.safetensors")
    assert begun["separate"] == begun["shared"] == of("pictures_wide")
    assert begun["separate_narrow"] == of("pictures_narrow")
    assert begun["pictures_wide"] == begun["pictures_narrow"] == ""
    assert len({json.dumps(run["data"]) for run in runs.values()}) == 1, "all on the same clips"
    alone = load_file(of("pictures_wide"))
    assert not any("cross_modal" in name or "class_embedding" in name for name in alone), "it knows no depth"


def test_a_narrow_pair_weighs_what_one_shared_network_does(made):
    folder, _ = made
    weights = {name: weight(folder, name) for name in ("separate", "separate_narrow", "shared")}
    assert weights["separate"] / weights["shared"] == pytest.approx(2, rel=0.01)
    assert weights["separate_narrow"] / weights["shared"] == pytest.approx(1, abs=0.05)


def test_every_row_has_its_figures(made):
    _, table = made
    assert list(table["rows"]) == ROWS and (table["pictures"], table["steps"]) == (2, 1)
    for values in table["rows"].values():
        assert all(len(each) == 1 for each in values.values())
        assert 0 < values["depth_l2"][0] < 1 and values["video_psnr"][0] > 0
    assert table["floor"].keys() == table["rows"]["shared"].keys()


def test_no_network_is_below_the_auto_encoder_that_it_makes_latents_of(made):
    _, table = made
    assert table["floor"]["depth_l2"] < min(values["depth_l2"][0] for values in table["rows"].values())
    assert table["floor"]["video_psnr"] > max(values["video_psnr"][0] for values in table["rows"].values())


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def weight(folder: Path, row: str) -> int:
    """Numbers in the U-Nets and ControlNets of a row."""
    (model,) = folder.glob(f"{row}_seed0_*/model")
    return sum(
        value.numel() for name in ("model", "pose") for value in load_file(model / f"{name}.safetensors").values()
    )
