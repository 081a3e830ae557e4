"""An older ComfyUI or PyTorch gets one sentence that names the version."""

import re
from pathlib import Path

import pack
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_this_host_is_new_enough():
    import torch
    from comfyui_version import __version__

    pack.check_version("ComfyUI", __version__)
    pack.check_version("ComfyUI", "1.2.3+local")
    pack.check_version("PyTorch", torch.__version__)
    pack.check_version("PyTorch", "2.7.1+cu128")


@pytest.mark.parametrize(
    ("name", "old", "oldest"),
    [("ComfyUI", "0.3.64", "0.30.0"), ("ComfyUI", "0.29.9", "0.30.0"), ("ComfyUI", "0.8", "0.30.0"), ("PyTorch", "2.6.0+cpu", "2.7")],
)  # fmt: skip
def test_an_older_one_is_refused(name, old, oldest):
    with pytest.raises(ImportError, match=f"needs {name} {oldest} or newer, and this is {re.escape(old)}"):
        pack.check_version(name, old)


def test_the_registry_says_the_same():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-comfyui = ">={".".join(map(str, pack.OLDEST["ComfyUI"]))}"' in text


def test_requirements_are_the_same_in_both_files():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    listed = re.search(r"^dependencies = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert wanted == {part.strip().strip('"') for part in listed.group(1).split(",")}
