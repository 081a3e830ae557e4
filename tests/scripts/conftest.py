"""What a server once said, for the tests of the package behind scripts/host.py."""

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


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
