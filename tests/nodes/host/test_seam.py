"""The list of ComfyUI's names is that of the code, this ComfyUI fits it, and one that does not is named in a sentence."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pack.nodes.host import seam

ROOT = Path(__file__).resolve().parents[3]
START = """
import asyncio, importlib.util, sys
sys.path.insert(0, {host!r})
from comfy.cli_args import args
args.cpu = True
{change}
spec = importlib.util.spec_from_file_location("pack", {init!r}, submodule_search_locations=[{root!r}])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
asyncio.run(sys.modules["pack"].comfy_entrypoint())
print("started")
"""


@pytest.fixture(scope="module")
def writer():
    """The script that writes the list."""
    spec = importlib.util.spec_from_file_location("write_seam", ROOT / "scripts" / "write_seam.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(change: str) -> subprocess.CompletedProcess:
    """The pack started in a process of its own, in a ComfyUI with one change."""
    code = START.format(host=os.environ["COMFYUI_PATH"], change=change, init=str(ROOT / "__init__.py"), root=str(ROOT))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_the_list_is_that_of_the_code(writer):
    """Run scripts/write_seam.py after a change in what the pack uses of ComfyUI."""
    assert {module: list(entries) for module, entries in seam.SEAM.items()} == dict(
        sorted(writer.seam_of("nodes").items())
    )


def test_this_host_fits():
    assert seam.changed_names() == []


@pytest.mark.parametrize(
    ("form", "fits"),
    [
        ("", False), ("_", True), ("_, size", True), ("_, _, size", False), ("_, other", False), ("_, _", True),
    ],
)  # fmt: skip
def test_a_call_is_compared_with_the_signature(form, fits):
    def function(first, size=1):
        pass

    assert seam.accepts(function, form) == fits


def test_a_name_that_is_gone_is_named_instead_of_a_trace():
    """The pack imports it at its start, so it cannot go on."""
    ended = start("import comfy.patcher_extension, comfy.samplers; del comfy.samplers.KSampler")
    assert ended.returncode and "started" not in ended.stdout
    last = ended.stderr.strip().splitlines()[-1]
    assert re.match(r"ImportError: ComfyUI [\d.]+ has changed what Duet uses: comfy.samplers.KSampler.SAMPLERS", last)
    assert (
        last.endswith("more. Update Duet.")
        or last.endswith("SCHEDULERS. Update Duet.")
        and "AttributeError" not in ended.stderr
    )


def test_a_name_that_a_node_uses_later_is_a_warning():
    ended = start("import comfy.model_management as m; m.load_models_gpu = lambda models: None")
    assert ended.returncode == 0 and "started" in ended.stdout
    assert "has changed what Duet uses: comfy.model_management.load_models_gpu(_, force_full_load" in ended.stderr
    assert "Nodes that use it may fail: update Duet." in ended.stderr


def test_another_failure_keeps_its_trace():
    ended = start("import comfy_api.latest, pathlib; sys.modules['pack.nodes.replaced'] = None")
    assert ended.returncode and "Duet could not start." in ended.stderr and "Traceback" in ended.stderr
