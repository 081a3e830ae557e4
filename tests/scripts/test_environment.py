"""Locks, disk space, failures of pip and ports: what must hold before anything is built."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from duet_host import environment, locations, pip, processes, server, state
from duet_host.errors import HostError

SCRIPTS = Path(locations.__file__).parents[1]
HOLD = "import sys, time, pathlib\nfrom duet_host.lock import file_lock\nwith file_lock(pathlib.Path(sys.argv[1])):\n"
HOLD += (
    "    print('held', time.time(), flush=True); time.sleep(float(sys.argv[2])); print('left', time.time(), flush=True)"
)


def hold(path, seconds):
    variables = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    pipes = {"stdout": subprocess.PIPE, "text": True, "env": variables}
    return subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], **pipes)


def test_lock_lets_one_process_in_at_a_time(tmp_path):
    first = hold(tmp_path / "a.lock", 0.8)
    first.stdout.readline()
    second = hold(tmp_path / "a.lock", 0)
    left = float(first.communicate()[0].split()[-1])
    said = second.communicate()[0]
    assert "Waiting for another setup to finish" in said
    assert float(said.split("held")[1].split()[0]) >= left


def test_lock_of_a_killed_process_is_free(tmp_path):
    first = hold(tmp_path / "a.lock", 60)
    first.stdout.readline()
    first.kill()
    first.wait()
    said = hold(tmp_path / "a.lock", 0).communicate(timeout=5)[0]
    assert "held" in said and "Waiting" not in said


@pytest.mark.parametrize(("free", "enough"), [(10_000_000_000, True), (9_999_999_999, False), (0, False)])
def test_disk_space_is_checked(tmp_path, free, enough):
    if enough:
        assert locations.check_disk(tmp_path, 10, free) is None
        return
    with pytest.raises(HostError, match=r"Too little disk space in .*: .* GB are free, 10 GB are needed"):
        locations.check_disk(tmp_path, 10, free)


def test_disk_space_of_a_folder_that_is_not_there_yet(tmp_path):
    assert locations.check_disk(tmp_path / "a" / "b", 0) is None
    with pytest.raises(HostError, match="Too little"):
        locations.check_disk(tmp_path / "a" / "b", 10**9)


def test_environment_depends_on_what_is_required(tmp_path, cache):
    lists = tmp_path / "requirements.txt"
    lists.write_text("numpy\n")
    first = environment.environment_folder(tmp_path)
    assert first.parent == cache and first == environment.environment_folder(tmp_path)
    lists.write_text("numpy\nscipy\n")
    assert environment.environment_folder(tmp_path) != first


def test_environment_without_its_marker_is_built_again(tmp_path, cache, monkeypatch):
    (tmp_path / "requirements.txt").write_text("")
    built = []

    def build(folder, host, held):
        built.append(folder)
        pip.python_of(folder).parent.mkdir(parents=True, exist_ok=True)
        pip.python_of(folder).touch()
        if len(built) > 1:
            (folder / "complete").touch()

    monkeypatch.setattr(environment, "_build", build)
    for _ in range(3):
        environment.ensure_environment(tmp_path)
    assert len(built) == 2  # the first one was not finished, the third call found it whole


def test_too_little_disk_builds_nothing(tmp_path, cache, monkeypatch):
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(environment, "NEEDED_GB", 10**9)
    with pytest.raises(HostError, match="Too little"):
        environment.ensure_environment(tmp_path)
    assert not environment.environment_folder(tmp_path).exists()


def test_pips_reason_is_found():
    lines = [
        "Collecting torch",
        "ERROR: Could not find a version",
        "ERROR: No matching distribution found",
        "[notice] new pip",
    ]
    assert pip.last_useful_line(lines) == "ERROR: No matching distribution found"
    assert pip.last_useful_line(["Killed", ""]) == "Killed"


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Collecting torch==2.11.0", "Collecting torch"),
        ("  Downloading torch-2.11.0-cp311-none-linux.whl (900 MB)", "Downloading torch"),
        ("Installing collected packages: a, b, c", "Installing 3 packages"),
        ("Requirement already satisfied: a", None),
    ],
)
def test_pips_lines_become_labels(line, label):
    assert pip.describe(line) == label


def test_failing_step_hands_over_its_last_lines():
    with pytest.raises(processes.StepFailed) as failure:
        processes.run_step("Trying", [sys.executable, "-c", "print('reason'); raise SystemExit(3)"])
    assert (failure.value.code, failure.value.lines) == (3, ["reason"])


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
def test_end_takes_grandchildren_along():
    code = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    )
    child = processes.spawn([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    grandchild = int(child.stdout.readline())
    processes.end(child)
    assert child.poll() is not None
    assert has_ended(grandchild)


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
def test_guard_ends_the_server_of_a_killed_parent(tmp_path):
    script = tmp_path / "main.py"
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    code = "import os, sys, time; from duet_host.processes import spawn\n"
    code += f"spawn([sys.executable, {str(server.GUARD)!r}, os.getpid(), {str(script)!r}]); time.sleep(60)"
    variables = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert has_ended(child)


def has_ended(pid, patience=4):
    """Waits a moment for a process that is nobody's child any more; a zombie counts as ended."""
    for _ in range(patience * 20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_busy_port_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HostError, match=rf"Port {port} .*--port"):
            server.check_port(port)
    assert server.check_port(port) is None
    with pytest.raises(HostError, match="Port 99999"):
        server.check_port(99999)


def test_state_links_the_pack_and_mends_a_link_that_leads_elsewhere(tmp_path):
    link = tmp_path / "custom_nodes" / "comfyui-duet"
    state.prepare_state(tmp_path)
    assert link.resolve() == locations.REPO
    link.unlink() if os.name != "nt" else os.rmdir(link)
    state.link_folder(link, tmp_path / "models")
    state.prepare_state(tmp_path)
    assert link.resolve() == locations.REPO and (tmp_path / "models").is_dir()


def test_server_that_dies_shows_its_log(tmp_path, monkeypatch):
    host = tmp_path / "host"
    host.mkdir()
    (host / "main.py").write_text("raise SystemExit('no such option')")
    monkeypatch.setattr(server, "has_accelerator", lambda python: False)
    with pytest.raises(HostError, match="ended while starting(.|\n)*no such option"):
        with server.running_server(host, sys.executable, tmp_path / "state", output=tmp_path / "output"):
            pass
    assert not list((tmp_path / "state" / "servers").iterdir())
