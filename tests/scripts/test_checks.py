"""The test command: what it says that it cannot run, how it shares the work, and how it ends."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from duet_host import browser, checks, cli, commands, locations, missing
from duet_host.missing import say_in_a_line

ROOT = locations.REPO
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")


class FakeEnvironment:
    """An environment in which every tool tells its arguments and ends at once."""

    def __init__(self, folder, codes):
        self.python = folder / "python"
        cases = "".join(f"{tool}) exit {code};; " for tool, code in codes.items())
        self.python.write_text(f'#!/bin/sh\necho "ran: $*"\ncase "$2" in {cases} esac\n')
        self.python.chmod(0o755)

    def variables(self, **more):
        return {**os.environ, **more}


@pytest.fixture
def no_browser(monkeypatch):
    monkeypatch.setenv("DUET_BROWSER", "/nowhere/browser")


def test_a_named_browser_is_the_only_one_looked_for(monkeypatch, no_browser):
    assert browser.find_browser() is None
    monkeypatch.setenv("DUET_BROWSER", sys.executable)
    assert browser.find_browser() == sys.executable


def test_what_cannot_be_run_is_named_with_its_reason(tmp_path, monkeypatch, no_browser):
    assert say_in_a_line([]) == "Everything can be run here."
    assert say_in_a_line(missing.not_run()[:1]) == (
        "Not run here: the browser tests, since no Chromium was found (install it with --install-browser or set DUET_BROWSER)."
    )
    monkeypatch.setattr(missing, "REPO", tmp_path)
    line = say_in_a_line(missing.not_run())
    assert (
        line.startswith("Not run here: the browser tests, since") and "; the tests of what is published, since" in line
    )


def test_with_a_browser_the_rest_depends_on_the_system_alone(monkeypatch):
    monkeypatch.setenv("DUET_BROWSER", sys.executable)
    assert [tests for tests, _ in missing.not_run() if "browser" in tests] == []
    if sys.platform == "linux" and missing.is_checkout():
        assert say_in_a_line(missing.not_run()) == "Everything can be run here."


def test_outside_git_the_tests_of_what_is_published_are_skipped(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in (".comfyignore", "tests/test_archive.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "tests"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )  # fmt: skip
    assert "1 skipped" in ended.stdout and ended.returncode == 5, ended.stdout + ended.stderr


@posix
def test_the_first_line_and_the_last_name_what_is_not_run(tmp_path, monkeypatch, capfd, no_browser):
    monkeypatch.setattr(commands, "ready", lambda options: FakeEnvironment(tmp_path, {}))
    assert commands.test(cli.parse(["test"])) == 0
    lines = capfd.readouterr().out.strip().splitlines()
    assert lines[0] == lines[-1] and lines[0].startswith("Not run here: the browser tests, since no Chromium was found")


def test_the_script_of_the_repository_fails_when_something_is_not_run():
    pattern = re.search(r'grep "(.+?)" "\$log"', (ROOT / ".ci/run").read_text(encoding="utf-8")).group(1)
    assert re.search(pattern, say_in_a_line([("a", "b")])) and not re.search(pattern, say_in_a_line([]))


@posix
@pytest.mark.parametrize(
    ("codes", "expected"), [({"ruff": 0, "pytest": 0}, 0), ({"ruff": 0, "pytest": 5}, 5), ({"ruff": 1, "pytest": 0}, 1)]
)
def test_any_failing_check_fails_the_whole(tmp_path, capfd, codes, expected):
    assert checks.run_all(FakeEnvironment(tmp_path, codes), []) == expected
    assert capfd.readouterr().out.count("ran: -m ruff") == 2, "all of them run, whatever fails"


@pytest.mark.parametrize(
    "few",
    [["tests/scripts"], ["tests/scripts/conftest.py::x"], ["-n", "4"], ["-n0"], ["--pdb"], ["-q", "-s"], ["--co"]],
)
def test_few_tests_and_those_that_are_watched_stay_in_one_process(few):
    assert checks.shared_work(few, 8) == []


def test_all_tests_are_shared_where_two_cores_are(tmp_path, monkeypatch, capfd):
    for many in ([], ["-q"], ["-k", "pair and not stage"], ["--durations=60"]):
        assert checks.shared_work(many, 2)[:2] == checks.shared_work(many, 64)[:2] == ["-n", "2"]
        assert checks.shared_work(many, 1) == []
    assert 1 <= checks.usable_cores() <= os.cpu_count()


@posix
def test_the_shared_run_works_as_written(tmp_path):
    """Both processes take whole files; the long ones come first although their names come last."""
    pytest.importorskip("xdist")
    source = "import os\nfrom pathlib import Path\n"
    source += "def test_it(): Path(__file__).with_suffix('.ran').write_text(os.environ['PYTEST_XDIST_WORKER'])\n"
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(
            source + source.splitlines()[-1].replace("test_it", "test_again") + "\n"
        )
    options = checks.shared_work([], 2)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0 and "8 passed" in ended.stdout, ended.stdout + ended.stderr
    assert {path.read_text() for path in tmp_path.glob("*.ran")} == {"gw0", "gw1"}
