"""What reaches the registry: only what a user runs, and nothing that its scanners refuse."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IGNORED = [line.strip("/") for line in (ROOT / ".comfyignore").read_text().split() if line]


def published():
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only Git knows what is published", allow_module_level=True)
    return sorted(path for path in listed.splitlines() if path.split("/")[0] not in IGNORED)


PUBLISHED = published()
REFUSED_MODULES = {"subprocess", "socket", "urllib", "requests", "http", "ctypes", "pickle", "multiprocessing"}
REFUSED_CALLS = {"eval", "exec", "compile", "exit", "quit", "__import__"}


def test_the_archive_holds_the_pack_and_no_tools():
    top = {path.split("/")[0] for path in PUBLISHED}
    assert {
        "__init__.py",
        "nodes",
        "models",
        "workflows",
        "subgraphs",
        "web",
        "locales",
        "pyproject.toml",
        "LICENSE",
    } <= top
    assert not {"scripts", "tests", "benchmarks", "training", ".ci"} & top
    assert sum((ROOT / path).stat().st_size for path in PUBLISHED) < 60 * 2**20


def test_readme_says_where_to_get_what_the_archive_lacks():
    """Every folder that README sends its reader to, and that only the repository has, is in the sentence about it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (told,) = [part for part in text.split("\n\n") if part.startswith("What the registry ships")]
    folders = {part for part in IGNORED if (ROOT / part).is_dir() and not part.startswith(".")}
    named = {folder for folder in folders if f"{folder}/" in text.replace(told, "")}
    assert {"scripts", "training"} <= named and all(f"`{folder}/`" in told for folder in named)


@pytest.mark.parametrize("path", [path for path in PUBLISHED if path.endswith(".py")])
def test_nothing_that_scanners_refuse(path):
    """No process, no network, no environment variable, no code from text, no pickle, no exit."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & REFUSED_MODULES
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] not in REFUSED_MODULES
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("environ", "getenv", "system", "popen"), ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in REFUSED_CALLS, ast.unparse(node)
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "a bare except swallows Cancel"
            assert ast.unparse(node.type) != "BaseException"


@pytest.mark.parametrize("path", [path for path in PUBLISHED if path.endswith(".py")])
def test_plain_characters(path):
    assert (ROOT / path).read_bytes().isascii()
