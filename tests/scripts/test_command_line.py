"""Every failure of the command is one sentence and an exit code, never a traceback."""

import os
import runpy
import signal
import subprocess
import sys
import time

import pytest
from duet_host import cli, locations, pip
from duet_host.errors import HostError

HOST_PY = locations.REPO / "scripts" / "host.py"


def run(*words, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, HOST_PY, *words], env=environment, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--comfyui", "/nowhere", "setup"), "is no ComfyUI"),
        (("run", "/nowhere/workflow.json"), "There is no workflow file"),
        (("run", str(HOST_PY)), "is no JSON"),
        (("bench", "no-such-benchmark"), "There is no benchmark 'no-such-benchmark'"),
        (("exec",), "exec needs a command"),
        (("serve", "--port", "99999"), "--port"),
    ],
)
def test_failure_is_one_line(words, sentence, tmp_path):
    ended = run(*words, DUET_CACHE=str(tmp_path))
    assert ended.returncode == 1 and sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_cache_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    ended = run("setup", DUET_CACHE=str(tmp_path / "file" / "cache"), COMFYUI_PATH="")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ") and len(ended.stderr.strip().splitlines()) == 1


def test_old_python_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    with pytest.raises(SystemExit, match="Python 3.10 or newer is needed, this is 3.9"):
        runpy.run_path(str(HOST_PY))


def test_missing_venv_module_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(HostError, match="ensurepip module is missing.*apt install python3-venv"):
        pip.make_environment(tmp_path / "venv", "Creating")
    assert not (tmp_path / "venv").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_is_one_line():
    # A shell that runs the tests in the background leaves Ctrl-C switched off for all its children.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.path[0] = sys.argv.pop(1)\n"
    )
    code += "from duet_host import cli, processes, commands\n"
    code += "commands.ready = lambda options: processes.run_step('Working', [sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    code += "raise SystemExit(cli.main(['setup']))"
    command = [sys.executable, "-c", code, str(HOST_PY.parent)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert "Working" in child.stdout.readline()
    time.sleep(0.2)
    os.killpg(child.pid, signal.SIGINT)
    said = child.communicate(timeout=10)[1]
    assert child.returncode == 130 and said.startswith("Interrupted.") and len(said.strip().splitlines()) == 1


def test_further_arguments_are_passed_on_in_order():
    options = cli.parse(["test", "-k", "pair and not stage", "tests/models", "-x"])
    assert options.extra == ["-k", "pair and not stage", "tests/models", "-x"]
    options = cli.parse(["serve", "--port", "8200", "--lowvram", "--reserve-vram", "2"])
    assert (options.port, options.extra) == (8200, ["--lowvram", "--reserve-vram", "2"])
    assert cli.parse(["exec", "python", "-c", "1", "--json"]).words == ["python", "-c", "1", "--json"]
    assert cli.parse(["bench", "speed", "--json"]).arguments == ["--json"]


def test_further_arguments_elsewhere_are_refused(capsys):
    with pytest.raises(SystemExit):
        cli.parse(["demo", "--fast"])
    assert "--fast" in capsys.readouterr().err
