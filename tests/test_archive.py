"""What reaches the registry: only what a user runs, and nothing that its scanners refuse."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IGNORED = [line.strip("/") for line in (ROOT / ".comfyignore").read_text().split() if line]


def published():
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only Git knows what is published", allow_module_level=True)
    paths = [path for path in listed.splitlines() if (ROOT / path).exists()]
    return sorted(path for path in paths if path.split("/")[0] not in IGNORED)


PUBLISHED = published()
PYTHON = [path for path in PUBLISHED if path.endswith(".py")]
REFUSED_MODULES = {"subprocess", "socket", "urllib", "requests", "http", "ctypes", "pickle", "multiprocessing"}
REFUSED_CALLS = {"eval", "exec", "compile", "exit", "quit", "__import__"}
HOSTS_OWN = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfyui_version",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "nodes",
    "server",
}
OPTIONAL = {
    "pxr",
    "imwatermark",
    "onnxruntime",
}  # imported where they are used; without one a sentence names the package to install
IMPORTED_AS = {"openexr": "OpenEXR", "opencv-python": "cv2", "pillow": "PIL", "pyyaml": "yaml"}


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


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
    sizes = {path: (ROOT / path).stat().st_size for path in PUBLISHED}
    weights = sum(size for path, size in sizes.items() if path.startswith("weights"))
    assert weights < 64 * 2**20 and sum(sizes.values()) - weights < 16 * 2**20


def test_the_registrys_own_tool_packs_the_same(tmp_path, monkeypatch):
    zip_files = pytest.importorskip("comfy_cli.file_utils").zip_files
    monkeypatch.chdir(ROOT)
    zip_files(tmp_path / "node.zip")
    with zipfile.ZipFile(tmp_path / "node.zip") as archive:
        assert sorted(archive.namelist()) == PUBLISHED


def test_readme_says_where_to_get_what_the_archive_lacks():
    """What only the repository has is named in README's last section alone, which says where it is."""
    first, own = read("README.md").split("\n## From the repository\n")
    folders = {part for part in IGNORED if (ROOT / part).is_dir() and not part.startswith(".")}
    assert folders == {"scripts", "training", "benchmarks", "tests"}
    assert not [folder for folder in folders if f"{folder}/" in first]
    (sentence,) = [line for line in own.replace("\n", " ").split(". ") if "repository only" in line]
    assert all(f"`{folder}/`" in sentence for folder in folders)


def test_a_published_pack_names_its_repository():
    """The registry and Manager link to the source by this address; as long as nothing is published there may be none."""
    address = re.search(r'^\[project\.urls\]\n(?:.*\n)*?Repository = "(https://\S+)"$', read("pyproject.toml"), re.M)
    waiting = "(not published yet)" in read("CHANGELOG.md")
    assert address or waiting, "fill in Repository under [project.urls] of pyproject.toml before publishing"
    assert waiting == ("not in ComfyUI's registry yet" in read("README.md"))


@pytest.mark.parametrize("path", PYTHON)
def test_nothing_that_scanners_refuse(path):
    """No process, no network, no environment variable, no code from text, no pickle, no exit."""
    for node in ast.walk(ast.parse(read(path))):
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


def names_of(requirements: Path) -> set[str]:
    """What the packages of a requirements file are imported as."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    names = [re.match(r"[A-Za-z0-9_.-]+", line).group().lower() for line in lines if line and line[0].isalpha()]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="ComfyUI's own requirements are read")
def test_what_it_imports_is_installed_with_it():
    there = names_of(ROOT / "requirements.txt") | names_of(Path(os.environ["COMFYUI_PATH"]) / "requirements.txt")
    there |= HOSTS_OWN | OPTIONAL | set(sys.stdlib_module_names)
    for path in PYTHON:
        for node in ast.walk(ast.parse(read(path))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert {module.split(".")[0] for module in modules} <= there, path


@pytest.mark.parametrize("path", PYTHON)
def test_plain_characters(path):
    assert (ROOT / path).read_bytes().isascii()
