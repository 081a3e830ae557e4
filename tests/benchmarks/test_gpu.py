"""bench gpu: the whole command on this CPU with small networks, what it says where something is missing, and its tables."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.long(seconds=60)

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("arithmetic", "steps", "demo", "tests")
FLOOR = 3.626  # TFLOP of one pass of IDOL at 256 pixels and 8 + 8 frames, by arithmetic: benchmarks/model.py


def part(name: str):
    """A file of benchmarks/card."""
    if "card" not in sys.modules:
        folder = ROOT / "benchmarks" / "card"
        spec = importlib.util.spec_from_file_location(
            "card", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules["card"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["card"])
    return importlib.import_module(f"card.{name}")


def bench(folder: Path, *words: str, host: bool = True) -> tuple[int, dict | None, str]:
    """The command's exit status, what its file has, and what it said."""
    file = folder / "figures.json"
    variables = {name: value for name, value in os.environ.items() if host or name != "COMFYUI_PATH"}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--output", str(file), "--runs", "2", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=variables | {"OMP_NUM_THREADS": "1"})
    return done.returncode, json.loads(file.read_text()) if file.exists() else None, done.stdout + done.stderr


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="samples in ComfyUI")
def test_the_whole_command_runs_to_its_end_on_a_cpu(tmp_path):
    code, found, said = bench(tmp_path, "--device", "cpu", "--tiny")
    assert code == 0, said
    assert found["device"]["kind"] == "cpu" and found["comfyui"] and tuple(found["parts"]) == PARTS
    assert found["command"] == "python3 scripts/host.py bench gpu --device cpu --runs 2 --tiny"
    assert found["commit"] != "unknown"
    for row in found["parts"]["steps"].values():
        assert row["runs_in"] == "ComfyUI" and row["step_s"] > 0 and row["runs"] == 2, row
        assert row["mfu"] is None and row["most_gb"] is None, "no card"
        assert row["tflop_a_second"] == pytest.approx(row["tflop"] / row["step_s"])
    assert set(found["parts"]["steps"]) == set(found["parts"]["arithmetic"]) == set(part("shapes").NAMES)
    assert found["parts"]["demo"]["clips"] == 1 and found["parts"]["demo"]["seconds_a_clip"] > 0
    assert found["parts"]["tests"]["passed"] == 1 and found["parts"]["tests"]["failed"] == 0
    assert "steps wan: weights" in said and "### A step" not in said, "no table of small networks"


def test_without_comfyui_steps_run_in_pytorch_and_the_rest_says_what_it_needs(tmp_path):
    code, found, said = bench(tmp_path, "--device", "cpu", "--tiny", host=False)
    assert code == 0, said
    steps = found["parts"]["steps"]
    assert {name: row.get("runs_in") for name, row in steps.items()} == dict.fromkeys(steps, "PyTorch")
    assert len(steps) == 4 and found["comfyui"] is None
    for name in ("demo", "tests"):
        assert found["parts"][name] == {"failed": "It needs ComfyUI: run python3 scripts/host.py bench gpu."}


@pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="the part needs ComfyUI")
def test_tests_are_counted_by_their_verdicts(tmp_path):
    file = tmp_path / "test_some.py"
    file.write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('word', ['a b', 'c'])\ndef test_good(word): pass\n"
        "def test_bad(): assert False, 'PASSED [ 50%]'\n"
        "def test_left_out(): pytest.skip('no card')\n"
        "@pytest.fixture\ndef broken(): raise ValueError\ndef test_error(broken): pass\n"
    )
    options = SimpleNamespace(tiny=False, tests=[str(file)], device="cpu", minutes=2)
    [(name, _, row)] = part("parts").tests(options)
    assert name == "tests" and (row["passed"], row["failed"], row["skipped"]) == (2, 2, 1)
    assert [one.split("::")[1] for one in row["names_of_failed"]] == ["test_bad", "test_error"]


def test_a_part_that_takes_too_long_leaves_what_it_printed():
    code = "import time; print('figures', flush=True); time.sleep(600)"
    process = part("parts").Process([sys.executable, "-c", code], "cpu", 0.1)
    assert list(process.lines()) == ["figures\n"]
    assert process.failure() == "It was ended after 0.1 minutes: give it more with --minutes."


def test_a_process_that_ends_early_says_its_last_line():
    process = part("parts").Process([sys.executable, "-c", "raise SystemExit('No such card.')"], "cpu", 1)
    assert list(process.lines()) == [] and process.failure() == "It gave no figures: No such card."


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="reads what Linux counts")
def test_a_network_that_does_not_fit_in_memory_is_refused():
    steps, shapes = part("steps"), part("shapes")
    wan = next(shape for shape in shapes.FULL if shape.name == "wan")
    assert steps.free_bytes() > 0
    with pytest.raises(ValueError, match="UnityVideo on Wan 2.2 5B needs .* GB of memory on a CPU, and .* GB are free"):
        steps.refuse_too_large(10**15, wan, "cpu")
    steps.refuse_too_large(10**15, wan, "cuda")


def test_a_device_that_is_not_there_is_refused(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    code, found, said = bench(tmp_path, "--parts", "steps", host=False)
    assert code == 1 and found is None
    assert "finds no device cuda here: choose another --device." in said and "Traceback" not in said


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_the_arithmetic_of_a_step_of_the_pair_is_that_of_the_paper():
    """Two passes, since cfg computes the negative prompt too."""
    counted = part("networks").count(part("shapes").FULL[0])
    assert counted["tflop"] == pytest.approx(2 * FLOOR, rel=0.01)
    assert 0.9e9 < counted["weights"] < 1.2e9


def test_a_card_has_the_peak_of_its_exact_name_and_of_its_numbers():
    peak_of = part("peaks").peak_of
    assert peak_of("NVIDIA H200", "bfloat16") == peak_of("NVIDIA H200", "float16") == 989.4
    assert peak_of("NVIDIA H200", "float32") == 66.9
    assert peak_of("NVIDIA GeForce RTX 4090 Laptop GPU", "float16") is None and peak_of("cpu", "float32") is None
    assert all(peak.half > peak.single > 0 and peak.source for peak in part("peaks").PEAKS.values())


@pytest.mark.parametrize("small", [True, False], ids=["small", "full"])
@pytest.mark.parametrize("name", ("pair", "animatediff", "lfdm", "wan"))
def test_a_step_in_pytorch_lies_on_the_card_and_has_the_numbers_of_the_file(name, small):
    """Fake tensors know their device and type and hold no numbers, so this runs without a card and without memory."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    networks = part("networks")
    shape = part("shapes").shapes([name], small)[0]
    dtype = getattr(torch, part("shapes").shapes([name], False)[0].weights)
    build = networks.builder(shape)
    with FakeTensorMode(), networks.numbers("cuda", dtype):
        network = build()
        made = networks.step_of(shape, network)()
        assert {value.dtype for value in network.parameters()} == {dtype}
    assert made.device.type == "cuda" and made.dtype == dtype
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name, missing", [("lfdm", "diffusers"), ("wan", "diffusers"), ("wan", "einops")])
def test_two_networks_need_no_diffusers(name, missing):
    """In a process of its own, where the package cannot be imported."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.path.insert(0, 'benchmarks'); import _pack\n"
        f"from card import networks, shapes; print(networks.count(shapes.shapes([{name!r}], True)[0])['tflop'] > 0)"
    )
    variables = {name: value for name, value in os.environ.items() if name != "COMFYUI_PATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


# --- tables ----------------------------------------------------------------------------------------------------------

COUNTED = {"what": "some", "weights": 1_050_000_000, "tflop": 7.25}
STEP = COUNTED | {
    "runs_in": "ComfyUI", "dtype": "float16", "weights_gb": 2.1, "step_s": 0.05, "slowest_s": 0.06, "runs": 20,
    "tflop_a_second": 145.0, "most_gb": 3.4, "peak": 989.4, "mfu": 145 / 989.4,
}  # fmt: skip


def result(name: str, **parts) -> dict:
    device = {"kind": "cuda", "name": name, "torch": "2.11.0", "memory_gb": 141.0}
    return {"command": "bench gpu", "commit": "abc1234", "device": device, "comfyui": "0.30.0", "parts": parts}


def rows(results: list[dict], title: str) -> list[list[str]]:
    """The lines of one table, without its head."""
    text = part("table").table(results).split(f"### {title}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_what_was_not_run_is_a_dash_and_every_network_has_a_line():
    for title, width in {
        "The networks": 5,
        "A step": 10,
        "The demo": 6,
        "The tests of the nodes": 5,
        "How it was run": 5,
    }.items():
        found = rows([], title)
        assert {len(row) for row in found} == {width}
    shapes = part("shapes").FULL
    assert (
        [row[0] for row in rows([], "A step")]
        == [row[0] for row in rows([], "The networks")]
        == [s.what for s in shapes]
    )
    assert rows([], "A step")[0][1:] == ["-"] * 9 and rows([], "The networks")[0][3:] == ["-", "-"]


def test_the_figures_of_a_card_stand_in_its_line():
    demo = {"clips": 16, "seconds_a_clip": 0.5, "depth_l2": 0.00351, "person_mae": 0.025, "video_psnr": 25.0}
    tests = {"passed": 1200, "failed": 2, "skipped": 5, "seconds": 300.0}
    one = result("NVIDIA H200", steps={"pair": STEP}, arithmetic={"pair": COUNTED}, demo=demo, tests=tests)
    two = result("Tesla T4", steps={"pair": {"failed": "CUDA out of memory."}}, demo={"failed": "no"})
    step, failed = rows([one, two], "A step")[:2]
    assert step[1:] == ["NVIDIA H200", "ComfyUI", "fp16", "50.0", "2.5", "145.0", "15 %", "2.1", "3.4"]
    assert failed[1:] == ["Tesla T4", "CUDA out of memory.", *["-"] * 7]
    assert rows([one, two], "The networks")[0][1:] == ["256 x 256, 8 frames, cfg 1.5", "50", "1.050", "7.25"]
    assert rows([one, two], "The demo") == [
        ["NVIDIA H200", "16", "0.50", "0.0035", "0.025", "25.0"], ["Tesla T4", "no", "-", "-", "-", "-"],
    ]  # fmt: skip
    assert rows([one, two], "The tests of the nodes") == [["NVIDIA H200", "1200", "2", "5", "5.0"]]
    unknown = STEP | {"peak": None, "mfu": None}
    assert rows([result("Some card", steps={"pair": unknown})], "A step")[0][7] == "-"


def test_the_page_is_what_its_figures_say():
    table = part("table")
    page = table.PAGE.read_text(encoding="utf-8")
    written = page.split(table.BEGIN)[1].split(table.END)[0]
    assert written.strip() == table.table(table.load()).strip(), "run: python3 scripts/host.py bench gpu --docs"


def test_text_around_the_tables_stays(tmp_path):
    table, page = part("table"), tmp_path / "page.md"
    page.write_text(f"Above\n{table.BEGIN}\nold\n{table.END}\nbelow\n", encoding="utf-8")
    table.write_page([result("NVIDIA H200", steps={"pair": STEP})], page)
    table.write_page([result("NVIDIA H200", steps={"pair": STEP})], page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Above\n") and text.endswith("\nbelow\n") and "old" not in text
    assert text.count("NVIDIA H200") == 2, "in the table of steps and of runs"
