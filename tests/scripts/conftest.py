"""Makes the package behind scripts/host.py importable without a change of sys.path."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "scripts" / "duet_host"

if "duet_host" not in sys.modules:
    spec = importlib.util.spec_from_file_location("duet_host", PACKAGE / "__init__.py")
    sys.modules["duet_host"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["duet_host"])


@pytest.fixture
def info():
    """What a ComfyUI 0.30.0 said about some of its nodes."""
    return json.loads((HERE / "object_info.json").read_text(encoding="utf-8"))


@pytest.fixture
def refused():
    """A prompt with three mistakes and what a ComfyUI 0.30.0 answered."""
    return json.loads((HERE / "refused_prompt.json").read_text(encoding="utf-8"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("DUET_CACHE", str(tmp_path / "cache"))
    return (tmp_path / "cache").resolve()
