"""The clips and the rows of bench quality."""

import importlib
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pack.models.choices import ACTIONS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def quality():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("quality")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_each_person_is_in_each_class_as_often(quality, monkeypatch):
    drawn = []
    monkeypatch.setattr(quality, "truth_of", lambda seed, **how: drawn.append((seed, how["character_seed"])) or {})
    options = SimpleNamespace(clips=32, people=2, first_seed=700)
    clips = quality.real_clips(732, options)
    assert Counter((one["class"], one["person"]) for one in clips) == {(a, p): 2 for a in ACTIONS for p in "01"}
    assert [seed for seed, _ in drawn] == list(range(732, 764))
    assert {person for _, person in drawn} == {700, 701}, "both sets show the same persons"


def test_rows_name_their_features_samples_and_intervals(quality):
    g = torch.Generator().manual_seed(0)
    clips = [{"class": "ab"[k % 2], "person": "01"[k // 2 % 2]} for k in range(40)]
    real = {
        ("video", "filters"): torch.randn(40, 3, generator=g),
        ("depth", "filters"): torch.randn(40, 3, generator=g),
    }
    made = {name: values + torch.tensor([2.0, 0.0, 0.0]) for name, values in real.items()}
    rows = quality.rows_of("a model", made, clips, real, clips, draws=20)
    assert [(row["clips"], row["samples"], row["dimensions"]) for row in rows] == [("video", 40, 3), ("depth", 40, 3)]
    for row in rows:
        assert row["distance"] == pytest.approx(4, abs=1e-5) and row["distance_low"] < 4 < row["distance_high"] + 2
        assert row["by_class"] == pytest.approx(4, abs=1e-5) and row["by_person_spread"] == pytest.approx(0, abs=1e-5)
        assert "n = 40" in quality.line(row) and "fewer clips" not in quality.line(row)
