"""What tests draw does not depend on what ran before them."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

DRAWN = {}


@pytest.fixture(scope="module")
def drawn():
    return draw()


def draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(()).item()


@pytest.mark.parametrize("time", [1, 2])
def test_every_test_draws_its_own(time, drawn):
    now = draw()
    random.seed(time), np.random.seed(time), torch.manual_seed(time)
    assert now not in (drawn, draw()) and now not in DRAWN.values()
    DRAWN[time] = now


def test_what_is_drawn_follows_from_the_names(drawn, request, pytester_run):
    """In a process of its own, in the other order."""
    assert pytester_run(0) == pytester_run(1) == pytester_run(None)


@pytest.fixture
def pytester_run(tmp_path):
    """Runs the tests below with the suite's own conftest and returns what they drew."""
    root = Path(__file__).resolve().parents[1]
    code = (
        "import numpy as np, pytest, random, torch\n"
        "draw = lambda: (random.random(), np.random.rand(), torch.rand(()).item())\n"
        "@pytest.fixture(scope='module')\ndef early(): return draw()\n"
        "def test_a(early): print('drew a', early, draw())\n"
        "def test_b(): print('drew b', draw())\n"
        "def test_c(early): print('drew c', early, draw())\n"
    )

    def run(shuffle):
        file = tmp_path / "test_drawing.py"
        file.write_text(code)
        order = [] if shuffle is None else ["--shuffle", str(shuffle)]
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--import-mode=importlib",
                   "-c", str(root / "pyproject.toml"), "--confcutdir", str(root), "--rootdir", str(tmp_path), *order,
                   "-p", "suite", str(file)]  # fmt: skip
        (tmp_path / "suite.py").write_text(
            f"import runpy\nglobals().update(runpy.run_path({str(root / 'tests' / 'conftest.py')!r}))\n"
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path,
                              env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
        lines = [line.strip(".") for line in done.stdout.splitlines() if "drew" in line]
        assert len(lines) == 3, done.stdout + done.stderr
        return sorted(lines)

    return run
