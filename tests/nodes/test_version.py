"""An older ComfyUI gets one sentence that names the version."""

import re
from pathlib import Path

import pack
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_this_host_is_new_enough():
    from comfyui_version import __version__

    pack.check_host(__version__)
    pack.check_host("1.2.3+local")


@pytest.mark.parametrize("old", ["0.3.64", "0.29.9", "0.8"])
def test_an_older_host_is_refused(old):
    with pytest.raises(ImportError, match=f"needs ComfyUI 0.30.0 or newer, and this is {re.escape(old)}"):
        pack.check_host(old)


def test_the_registry_says_the_same():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-comfyui = ">={".".join(map(str, pack.OLDEST_HOST))}"' in text


def test_requirements_are_the_same_in_both_files():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    listed = re.search(r"^dependencies = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert wanted == {part.strip().strip('"') for part in listed.group(1).split(",")}
