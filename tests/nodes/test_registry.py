"""What a saved workflow relies on: ids, inputs and outputs of every node, and their texts in two languages."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import folder_paths
import pack
import pytest
from write_locale import inputs_of, key_of

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "nodes.json"
RULE = (
    "Saved workflows must keep opening: ids and order of inputs and outputs never change, new ones are only appended, "
    "and a node that is replaced registers its successor. If something was appended, run the tests once with --write-golden."
)


def nodes():
    extension = asyncio.run(pack.comfy_entrypoint())
    asyncio.run(extension.on_load())
    return {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())}


NODES = nodes()


def is_file(option):
    models, clips = (
        (".safetensors", ".sft", ".ckpt", ".pth", ".pt", ".bin"),
        (".exr", ".png", ".mkv", ".mov", ".mp4", ".avi", ".json", ".npz", ".flo"),
    )
    return str(option).removesuffix(" [output]").endswith(models + clips)


def options(i):
    """What a list offers; files among it are the user's, as many as there are."""
    found = [getattr(one, "key", one) for one in getattr(i, "options", None) or ()]
    return [one for one in found if isinstance(one, str) and not is_file(one)] or None


def signature(schema):
    inputs = [[name, i.get_io_type(), bool(i.optional), options(i)] for name, i in inputs_of(schema.inputs)]
    return {"inputs": inputs, "outputs": [[o.display_name or o.id, o.get_io_type()] for o in schema.outputs]}


def test_ids_inputs_and_outputs_are_as_they_were_shipped(request):
    now = {name: signature(schema) for name, schema in sorted(NODES.items())}
    if request.config.getoption("--write-golden"):
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in now.items()]
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    shipped = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for name, old in shipped.items():
        assert name in now, f"{name} is gone. {RULE}"
        for side in ("inputs", "outputs"):
            assert now[name][side][: len(old[side])] == old[side], f"{side} of {name} changed. {RULE}"
    assert now == shipped, f"something new is not in the golden list yet. {RULE}"


def test_no_file_of_a_folder_is_chosen_beforehand(tmp_path, monkeypatch):
    """The first file of a folder would be another on every machine, and a template would load it."""
    for ending in ("npz", "flo", "json", "exr", "png", "mp4"):
        (tmp_path / f"shot_0001.{ending}").touch()
    for kind in ("input", "output"):
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path))
    lists = [
        (name, one)
        for name, schema in nodes().items()
        for _, one in inputs_of(schema.inputs)
        if any("shot_0001" in str(option) for option in getattr(one, "options", None) or ())
    ]
    assert {name for name, _ in lists} == {"DuetLoadFlow", "DuetLoadDepth", "DuetLoadKeypoints"}
    assert [name for name, one in lists if one.default != ""] == []


@pytest.mark.parametrize("name", NODES)
def test_names_and_tooltips(name):
    schema = NODES[name]
    assert re.fullmatch(r"Duet[A-Z][A-Za-z0-9]+", name)
    assert schema.display_name.isascii() and "Duet" not in schema.display_name
    assert re.fullmatch(r"Duet/[a-z0-9/ ]+", schema.category)
    assert schema.description and schema.search_aliases
    for _, i in inputs_of(schema.inputs):
        assert i.tooltip and i.tooltip.strip().endswith((".", ")")), f"{name}.{i.id}"
        assert re.fullmatch(r"[a-z0-9_]+", i.id)
        if i.get_io_type() in ("INT", "FLOAT"):
            assert None not in (i.min, i.max, i.step), f"{name}.{i.id}"
    assert all(o.tooltip for o in schema.outputs), name


@pytest.mark.parametrize("name", NODES)
def test_help_page_with_a_picture(name):
    page = ROOT / "web" / "docs" / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {NODES[name].display_name}")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures and all((page.parent / p).is_file() for p in pictures), pictures
    for _, i in inputs_of(NODES[name].inputs):
        row = re.search(rf"^\|[^|]*\b{i.id}\b[^|]*\|", text, re.MULTILINE)
        assert row, f"{i.id} has no row in a table"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_in_two_languages(language):
    texts = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    assert set(texts) == set(NODES)
    for name, schema in NODES.items():
        here = texts[name]
        assert here["display_name"] and here["description"]
        assert set(here.get("inputs", {})) == {key_of(i) for i, _ in inputs_of(schema.inputs)}, name
        assert set(here["outputs"]) == {str(k) for k in range(len(schema.outputs))}, name
        for key, i in ((key_of(one), i) for one, i in inputs_of(schema.inputs)):
            assert here["inputs"][key]["name"] and here["inputs"][key]["tooltip"]
            if language == "en":
                assert here["inputs"][key]["tooltip"] == i.tooltip, f"{name}.{key}: run scripts/write_locale.py"
            else:
                assert re.search("[\u4e00-\u9fff]", here["inputs"][key]["tooltip"]), f"{name}.{key}"
        if language == "zh":
            assert re.search("[\u4e00-\u9fff]", here["display_name"] + here["description"]), name


def test_the_start_imports_nothing_heavy():
    """What the pack brings into a host that has loaded its own modules: our files and nothing else."""
    code = (
        "import asyncio, importlib.util, os, sys\n"
        "sys.path.insert(0, os.environ['COMFYUI_PATH'])\n"
        "from comfy.cli_args import args; args.cpu = True\n"
        "import nodes, comfy.controlnet, comfy.context_windows, comfy.samplers, node_helpers, comfyui_version\n"
        "import comfy_api.latest, comfy_api.input\n"
        f"spec = importlib.util.spec_from_file_location('pack', {str(ROOT / '__init__.py')!r}, submodule_search_locations=[{str(ROOT)!r}])\n"
        "pack = sys.modules['pack'] = importlib.util.module_from_spec(spec)\n"
        "before = set(sys.modules)\n"
        "spec.loader.exec_module(pack)\n"
        "extension = asyncio.run(pack.comfy_entrypoint())\n"
        "asyncio.run(extension.on_load()); asyncio.run(extension.get_node_list())\n"
        "print([name for name in set(sys.modules) - before if not name.startswith('pack')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout
