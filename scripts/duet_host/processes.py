"""Child processes that end with everything they started."""

import collections
import os
import queue
import shutil
import signal
import subprocess
import threading

from .console import Progress
from .errors import HostError

WINDOWS = os.name == "nt"


class StepFailed(Exception):
    """A child process ended with an error; `lines` holds the end of what it printed."""

    def __init__(self, code, lines):
        super().__init__(f"exit code {code}")
        self.code = code
        self.lines = lines


def spawn(command, **options):
    """Starts a child in a process group of its own, so that it can be ended as a whole."""
    if WINDOWS:
        options.pop("pass_fds", None)
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
    return subprocess.Popen([str(part) for part in command], **options)


def end(process, patience=5.0):
    """Ends a child and all that it started: politely first, then for good."""
    if WINDOWS:
        if process.poll() is None:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False, **quiet)
            process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run_step(label, command, describe=None, keep=60, **options):
    """Runs a long command behind a progress line; `describe` turns a line of its output into a new label."""
    lines = collections.deque(maxlen=keep)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = spawn(command, text=True, encoding="utf-8", errors="replace", **pipes, **options)
    try:
        with Progress(label) as progress:
            for line in _lines_of(process):
                if line:
                    lines.append(line)
                progress.update(describe(line) if describe and line else None)
        code = process.wait()
    except BaseException:
        end(process)
        raise
    if code:
        raise StepFailed(code, list(lines))
    return list(lines)


def _lines_of(process):
    """Yields each line a child prints, and None several times a second so that a clock can move."""
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line.rstrip())
        lines.put(StopIteration)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            yield None
            continue
        if line is StopIteration:
            return
        yield line


def call(command, variables, cwd=None):
    """Runs a child on this terminal and returns its exit code; Ctrl-C reaches it directly."""
    program = shutil.which(str(command[0]), path=variables["PATH"])
    if program is None:
        raise HostError(f"There is no command {command[0]} in the environment or on this system.")
    process = subprocess.Popen([program, *map(str, command[1:])], env=variables, cwd=cwd)
    try:
        code = _wait_through_interrupts(process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return code if code >= 0 else 128 - code


def _wait_through_interrupts(process):
    """Waits for a child that handles Ctrl-C itself and returns its exit code."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
