"""Keeps the house in order: a topic is one column through the floors, and imports point down and never in a circle.

Imports inside functions count as those on top of a file do.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPICS = {
    "baselines", "character", "depth", "evaluate", "files", "flow", "geometry", "handoff", "layers", "lfdm", "oneshot", "pair",
    "pose", "provenance", "stage", "swap", "unet", "video", "view", "wan",
}  # fmt: skip
ROOMS = {
    "models": TOPICS,
    "nodes": TOPICS | {"host", "inputs"},
    "nodes/host": TOPICS,
    "tests/models": TOPICS,
    "tests/nodes": TOPICS | {"host", "inputs"},
    "training": {"data", "encode", "loop", "page", "recipes"},
    "tests/training": {"data", "encode", "loop", "page", "recipes"},
}
LOOSE = {
    "models": {"__init__", "choices", "numbered", "opencv", "saving", "srgb"},
    "nodes": {"__init__", "replaced"},
    "nodes/host": {
        "__init__",
        "choices",
        "finite",
        "memory",
        "named",
        "notice",
        "progress",
        "recommended",
        "seam",
        "text_encoder",
        "types",
    },
    "tests/models": set(),
    "tests/nodes": {"conftest", "test_gpu", "test_node_words", "test_registry", "test_replaced", "test_version"},
    "training": {"__init__", "launch"},
    "tests/training": set(),
}
ABOVE_ALL = {
    "models/files/convert.py"
}  # turns files of every topic into ours, so it knows lfdm and oneshot, which read files
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
FOR_TRAINING = {"torch", "safetensors", "numpy", "accelerate", "diffusers", "transformers", "av", "PIL"}
FOR_MODELS = {"torch", "diffusers", "einops", "safetensors", "numpy", "cv2"} | {"OpenEXR", "av", "PIL", "pxr"}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The first word of each import of a file, and how many packages up it begins."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], node.level


def ours(path: Path) -> set[Path]:
    """The files of our own that a file imports, relatively as all of them do."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split(".") if node.module else ())
            found |= {file_of(base / alias.name) or file_of(base) for alias in node.names}
    return found - {None}


def file_of(module: Path) -> Path | None:
    return next((file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()), None)


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rooms(floor: str) -> set[str]:
    """The folders of a floor that hold code."""
    return {path.name for path in (ROOT / floor).iterdir() if path.is_dir() and any(path.rglob("*.py"))}


def topic(path: Path, floor: str) -> str | None:
    """The room of a file on a floor; None for loose files and for those of another floor."""
    parts = path.relative_to(ROOT / floor).parts if path.is_relative_to(ROOT / floor) else ()
    return parts[0] if len(parts) > 1 and parts[0] in ROOMS[floor] else None


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a place back to itself, or nothing."""
    done, way = set(), []

    def walk(place: str) -> list[str]:
        if place in way:
            return [*way[way.index(place) :], place]
        if place in done:
            return []
        way.append(place)
        found = next(filter(None, map(walk, sorted(graph.get(place, ())))), [])
        way.pop()
        done.add(place)
        return found

    return next(filter(None, map(walk, sorted(graph))), [])


# --- rooms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", ROOMS)
def test_every_folder_of_a_floor_is_a_topic(floor):
    assert not rooms(floor) - ROOMS[floor]


@pytest.mark.parametrize("floor", LOOSE)
def test_only_the_allowed_files_lie_loose(floor):
    assert {path.stem for path in (ROOT / floor).glob("*.py")} == LOOSE[floor]


@pytest.mark.parametrize("floor", ["models", "nodes", "nodes/host", "training"])
def test_every_room_says_in_its_docstring_what_it_is(floor):
    for room in rooms(floor):
        folder = ROOT / floor / room
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), room
        assert any(path.stem != "__init__" for path in folder.glob("*.py")), f"{room} is empty"


@pytest.mark.parametrize("floor", ["models", "nodes", "training"])
def test_tests_mirror_the_topics(floor):
    assert rooms(f"tests/{floor}") <= rooms(floor)


# --- directions ------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("path", files("nodes/host"), ids=name)
def test_nodes_host_stands_below_the_nodes(path):
    for other in map(name, ours(path)):
        assert other.startswith(("models/", "nodes/host/")), f"{other} stands above"


@pytest.mark.parametrize("path", files("nodes"), ids=name)
def test_nodes_know_nothing_of_the_training(path):
    assert not [name(other) for other in ours(path) if not name(other).startswith(("models/", "nodes/"))]


@pytest.mark.parametrize("path", [p for p in files("training/page") if p.stem != "host"], ids=name)
def test_training_nodes_need_the_host_and_the_standard_library_only(path):
    """What starts a training reads no tensor; the one file that knows the host's internals is training/page/host.py."""
    for module, level in imports(path):
        assert level < 2 and (level or module in {"comfy_api"} | set(sys.stdlib_module_names)), module


@pytest.mark.parametrize("path", [p for p in files("training") if p.parent.name != "page"], ids=name)
def test_training_runs_without_the_host(path):
    """The process that trains: its files import neither the host nor the nodes."""
    entry = path == ROOT / "training" / "__init__.py"
    for module, level in imports(path):
        assert level or module in FOR_TRAINING | set(sys.stdlib_module_names), module
    for other in map(name, ours(path)):
        assert other.startswith(("models/", "training/")), other
        assert entry or not other.endswith(
            tuple(f"/page/{stem}.py" for stem in ("host", "nodes", "setup_nodes", "process"))
        )


def test_models_leave_the_host_alone_when_imported():
    code = (
        "import sys, models.stage, models.depth.range, models.pose.formats; "
        "assert not {'comfy', 'folder_paths', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --- circles ---------------------------------------------------------------------------------------------------------


def test_no_files_import_each_other_in_a_circle():
    graph = {name(path): set(map(name, ours(path))) for path in files("models", "nodes", "training")}
    assert not circle(graph)


@pytest.mark.parametrize("floor", ["models", "nodes", "nodes/host"])
def test_no_topics_import_each_other_in_a_circle(floor):
    graph = {}
    for path in files(floor):
        here = topic(path, floor)
        if here and name(path) not in ABOVE_ALL:
            graph.setdefault(here, set()).update({topic(other, floor) for other in ours(path)} - {here, None})
    assert not circle(graph)


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# --- endings ---------------------------------------------------------------------------------------------------------

RUNNING = files("models", "nodes", "training/page")  # what runs in the host's process: there an exit ends the queue


def endings(tree: ast.AST) -> list[str]:
    """Calls and exceptions by which a file would end the process, with their lines."""
    found = []
    for node in ast.walk(tree):
        call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        raised = ast.unparse(node.exc).split("(")[0] if isinstance(node, ast.Raise) and node.exc else ""
        if call in {"sys.exit", "os._exit", "os.abort", "exit", "quit"} or raised in {
            "SystemExit",
            "KeyboardInterrupt",
        }:
            found.append(f"{node.lineno}: {call or raised}")
    return found


def swallowed(tree: ast.AST) -> list[str]:
    """Handlers that would keep the host's interrupt from the host: bare ones, and broad ones that go on without raising."""
    found = []
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)):
        kinds = {"BaseException"} if handler.type is None else set(ast.unparse(handler.type).strip("()").split(", "))
        raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
        if "BaseException" in kinds or ("Exception" in kinds and not raises):
            found.append(f"{handler.lineno}: {ast.unparse(handler).splitlines()[0]}")
    return found


def host_names(tree: ast.AST) -> set[str]:
    """The names by which a file knows the host's modules and what our own files bring of its interrupt."""
    names = {"progress", "stop_if_cancelled", "report"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            for alias in node.names:
                if (getattr(node, "module", None) or alias.name).split(".")[0] in HOST:
                    names.add((alias.asname or alias.name).split(".")[0])
    return names


def broad_around_host(tree: ast.AST) -> list[str]:
    """Broad handlers around calls of the host without one for its interrupt before them."""
    names, found = host_names(tree), []
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Try)):
        kinds = [ast.unparse(handler.type) if handler.type else "" for handler in node.handlers]
        called = {
            ast.unparse(call.func).split(".")[0]
            for part in node.body
            for call in ast.walk(part)
            if isinstance(call, ast.Call)
        }
        if "Exception" in kinds and called & names and "InterruptProcessingException" not in "".join(kinds):
            found.append(f"{node.lineno}: {sorted(called & names)}")
    return found


@pytest.mark.parametrize("path", RUNNING, ids=name)
def test_nothing_ends_the_hosts_process_or_swallows_its_interrupt(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not endings(tree) and not swallowed(tree) and not broad_around_host(tree)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.exit(1)",
        "raise SystemExit",
        "try:\n    x()\nexcept:\n    raise",
        "try:\n    x()\nexcept (ValueError, BaseException):\n    raise",
        "try:\n    x()\nexcept Exception:\n    pass",
        "import comfy.utils\ntry:\n    comfy.utils.x()\nexcept Exception as error:\n    raise ValueError from error",
    ],
)
def test_an_ending_would_be_found(code):
    tree = ast.parse(code)
    assert endings(tree) or swallowed(tree) or broad_around_host(tree)
