"""What saved workflows rely on in the training pack: its nodes, their texts in two languages, its workflows."""

import asyncio
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from templates.build import build_template
from templates.description import read_all
from templates.table import read_table, table
from write_locale import inputs_of, key_of

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("the nodes need a ComfyUI: set COMFYUI_PATH", allow_module_level=True)

TRAINING = Path(__file__).resolve().parents[3] / "training"
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "training_nodes.json"
WORKFLOWS = TRAINING / "workflows"
API = sorted((WORKFLOWS / "api").glob("*.json"))
README = (WORKFLOWS / "README.md").read_text(encoding="utf-8")
TITLES = read_table(README)


def nodes():
    extension = asyncio.run(importlib.import_module("pack.training").comfy_entrypoint())
    asyncio.run(extension.on_load())
    return {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())}


NODES = nodes()


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def options(i):
    found = [getattr(one, "key", one) for one in getattr(i, "options", None) or ()]
    return [one for one in found if not one.endswith(".safetensors")] or None


def signature(schema):
    inputs = [[name, i.get_io_type(), options(i)] for name, i in inputs_of(schema.inputs)]
    return {"inputs": inputs, "outputs": [[o.display_name, o.get_io_type()] for o in schema.outputs]}


def test_ids_inputs_and_outputs_are_as_they_were_shipped(request):
    now = {name: signature(schema) for name, schema in sorted(NODES.items())}
    if request.config.getoption("--write-golden"):
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in now.items()]
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    for name, old in read(GOLDEN).items():
        for side in ("inputs", "outputs"):
            assert now[name][side][: len(old[side])] == old[side], f"{side} of {name} may only be appended"
    assert now == read(GOLDEN), "something new: run the tests once with --write-golden"


@pytest.mark.parametrize("name", NODES)
def test_names_and_tooltips(name):
    schema = NODES[name]
    assert re.fullmatch(r"Duet[A-Z][A-Za-z]+", name) and schema.category == "Duet Training"
    assert "Duet" not in schema.display_name and schema.description and schema.search_aliases
    for _, i in inputs_of(schema.inputs):
        assert i.tooltip and i.tooltip.strip().endswith("."), f"{name}.{i.id}"
        if i.get_io_type() in ("INT", "FLOAT"):
            assert None not in (i.min, i.max, i.step), f"{name}.{i.id}"
    assert all(o.tooltip for o in schema.outputs)


@pytest.mark.parametrize("name", NODES)
def test_help_page(name):
    page = TRAINING / "web" / "docs" / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {NODES[name].display_name}\n")
    assert all((page.parent / picture).is_file() for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text))
    for _, i in inputs_of(NODES[name].inputs):
        assert f"| {i.id} |" in text, f"{i.id} is not explained"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_in_two_languages(language):
    texts = read(TRAINING / "locales" / language / "nodeDefs.json")
    assert set(texts) == set(NODES)
    for name, schema in NODES.items():
        here = texts[name]
        assert set(here["inputs"]) == {key_of(i) for i, _ in inputs_of(schema.inputs)}, name
        assert set(here["outputs"]) == {str(k) for k in range(len(schema.outputs))}, name
        for one, i in inputs_of(schema.inputs):
            tip = here["inputs"][key_of(one)]["tooltip"]
            assert tip == i.tooltip if language == "en" else re.search("[\u4e00-\u9fff]", tip), f"{name}.{one}"


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_workflows_are_the_same_in_both_formats_and_known(path, object_info):
    from comfy_cli.workflow_to_api import convert_ui_to_api

    prompt = read(path)
    strip = lambda graph: {key: (node["class_type"], node["inputs"]) for key, node in graph.items()}
    assert strip(convert_ui_to_api(read(WORKFLOWS / f"{TITLES[path.stem]}.json"), object_info)) == strip(prompt)
    for node in prompt.values():
        groups = object_info[node["class_type"]]["input"]
        assert {name.split(".")[0] for name in node["inputs"]} <= {name for group in groups.values() for name in group}


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_the_template_is_what_its_sources_make(path, object_info):
    workflow, problems = build_template(read(path), object_info, read_all("training")[path.stem])
    assert problems == []
    assert read(WORKFLOWS / f"{TITLES[path.stem]}.json") == workflow, "run scripts/write_templates.py"


def test_the_table_names_every_file_and_no_other():
    assert sorted(TITLES) == [path.stem for path in API]
    for ending in ("json", "jpg"):
        assert {path.stem for path in WORKFLOWS.glob(f"*.{ending}")} == set(TITLES.values())
    assert table(read_all("training")) == README, "run scripts/write_templates.py"


def test_every_node_is_used_by_a_workflow():
    assert {node["class_type"] for path in API for node in read(path).values()} >= set(NODES)


def test_without_the_main_pack_one_sentence_says_so(tmp_path):
    shutil.copytree(TRAINING, tmp_path / "alone" / "training", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import asyncio, importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('t', sys.argv[1] + '/__init__.py', submodule_search_locations=[sys.argv[1]])\n"
        "t = sys.modules['t'] = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "asyncio.run(t.comfy_entrypoint())"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "alone" / "training")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode and done.stderr.splitlines()[-1].startswith("ValueError: Duet Training needs the Duet pack")


def test_it_costs_no_time_at_the_start(server):
    lines = [line for line in server.log.read_text(encoding="utf-8").splitlines() if line.endswith("duet-training")]
    assert len(lines) == 1 and re.search(r" 0\.0 seconds", lines[0]), lines
