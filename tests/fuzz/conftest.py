"""How many cases are drawn, and what becomes of one that fails."""

import json
from pathlib import Path

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="cases are drawn by hypothesis")
CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture
def draw_cases(pytestconfig):
    """Runs a check on drawn cases: a few that are the same in every run, or with --fuzz N as many new ones."""
    many = pytestconfig.getoption("--fuzz")

    def draw(strategy, check, usual: int) -> None:
        settings = hypothesis.settings(
            max_examples=many or usual,
            derandomize=not many,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )

        @settings
        @hypothesis.given(strategy)
        def on_each(case):
            try:
                check(case)
            except Exception as error:
                note(error, case)
                raise

        on_each()

    return draw


def note(error: Exception, case) -> None:
    """Adds to an error the line by which the case is kept for all later runs."""
    error.add_note(f"Mend it, and add this line to a file in {CORPUS.name}: {json.dumps(case)}")
