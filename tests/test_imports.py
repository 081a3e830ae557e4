"""Keeps the direction of imports: models know nothing of the host, and our own code is imported relatively."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = {
    "comfy",
    "comfy_api",
    "comfy_extras",
    "comfy_execution",
    "comfyui_version",
    "folder_paths",
    "node_helpers",
    "nodes",
    "server",
}
OURS = {"models", "nodes", "training", "scripts", "tests", "benchmarks", "pack"}
TRAINING_NODES = ("nodes", "setup_nodes", "settings", "presets", "process", "start", "lock", "deliver", "places")
FOR_TRAINING = {"torch", "safetensors", "numpy", "accelerate", "diffusers", "transformers", "av", "PIL"}
FOR_MODELS = {"torch", "diffusers", "einops", "safetensors", "numpy", "cv2"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], node.level


def files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", files("models"), ids=name)
def test_models_know_torch_and_nothing_of_the_host(path):
    depth = len(path.relative_to(ROOT / "models").parts)
    for module, level in imports(path):
        assert level <= depth, f"a relative import leaves models/: {'.' * level}{module}"
        if level == 0:
            assert module in FOR_MODELS | set(sys.stdlib_module_names), module


@pytest.mark.parametrize("path", files("nodes"), ids=name)
def test_nodes_import_our_code_relatively(path):
    # In nodes/host an absolute `nodes` is the host's own module; ours is only ever reached relatively.
    ours = OURS - {"nodes"} if "host" in path.parts else OURS
    for module, level in imports(path):
        if level == 0:
            assert module not in ours, f"absolute import of {module}"


@pytest.mark.parametrize("path", [p for p in files("nodes") if "host" not in p.parts], ids=name)
def test_only_nodes_host_knows_comfy_internals(path):
    for module, level in imports(path):
        if level == 0:
            assert module not in HOST - {"comfy_api"}, f"{module} belongs behind nodes/host"


@pytest.mark.parametrize("path", [ROOT / "training" / f"{stem}.py" for stem in TRAINING_NODES], ids=name)
def test_training_nodes_need_the_host_and_the_standard_library_only(path):
    """What starts a training reads no tensor; the one file that knows the host's internals is training/host.py."""
    for module, level in imports(path):
        assert level < 2 and (level or module in {"comfy_api"} | set(sys.stdlib_module_names)), module


@pytest.mark.parametrize("path", files("training"), ids=name)
def test_training_runs_without_the_host(path):
    """The process that trains: its files import neither the host nor the nodes."""
    relative = path.relative_to(ROOT / "training")
    if relative.stem in (*TRAINING_NODES, "host") and len(relative.parts) == 1:
        return
    for module, level in imports(path):
        assert level <= len(relative.parts) + 1
        if level == 0:
            assert module in FOR_TRAINING | set(sys.stdlib_module_names), module
        elif level == len(relative.parts) and relative.name != "__init__.py":
            assert module not in ("host", "nodes", "setup_nodes", "process"), module


def test_models_leave_the_host_alone_when_imported():
    code = "import sys, models.stage, models.depth, models.pose; assert not {'comfy', 'folder_paths', 'diffusers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
