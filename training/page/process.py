"""A training run as a process of its own, started, followed and ended by the host. Standard library only.

The process watches the pipe that is its standard input (launch.py --with-parent). When the pipe closes, because the
host asks for the end or because the host is gone, it saves a checkpoint and ends.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .start import ALL_DAMAGED, entries, locked, newest_sample

LAUNCH = Path(__file__).resolve().parents[1] / "launch.py"
WINDOWS = os.name == "nt"
POLL = 0.25  # seconds between two checks
PATIENCE = 60  # seconds to save a checkpoint after the stop signal
RECENT = 20  # steps that the speed is taken from
ERROR = re.compile(r"(?:\[rank\d+\]: *)?(?:error: |(?:[\w.]+\.)?(\w+(?:Error|Exception)): )(.+)")
EXIT = re.compile(r"exitcode\s*: (-\d+)")


class Progress(NamedTuple):
    """Where a run is; `seconds` is the time of one step, `left` that of all that are to come."""

    step: int
    total: int
    loss: float | None = None
    seconds: float | None = None
    sample: Path | None = None

    @property
    def left(self) -> float | None:
        return None if self.seconds is None else self.seconds * (self.total - self.step)

    @property
    def text(self) -> str:
        if self.loss is None:
            return "Reading the data and preparing the networks..."
        share = f"Step {self.step} of {self.total}"
        return f"{share}, loss {self.loss:.4g}, {self.seconds:.3g} s a step, {clock(self.left)} left"


def clock(seconds: float) -> str:
    """1:02:03, or 2:03 under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_of(folder: Path, total: int) -> Progress:
    """The progress of a run from its log."""
    found = entries(folder)
    done = max((entry["step"] for entry in found if entry.get("event") == "finished" and "step" in entry), default=0)
    steps = [entry for entry in found if {"step", "loss", "seconds"} <= set(entry)][-RECENT:]
    if not steps:
        return Progress(done, total, sample=newest_sample(folder))
    seconds = sum(entry["seconds"] for entry in steps) / len(steps)
    return Progress(max(done, steps[-1]["step"]), total, steps[-1]["loss"], seconds, newest_sample(folder))


class TrainingProcess:
    """launch.py on the run.json of a folder, in one process or under torchrun in several."""

    def __init__(self, folder: Path, total: int, processes: int, lock: int):
        self.folder, self.total = folder, total
        self.output = folder / "output.txt"
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                command(folder / "run.json", processes), cwd=folder, stdin=subprocess.PIPE, stdout=sink,
                stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                **own_group(lock),
            )  # fmt: skip

    def follow(self) -> Iterator[Progress]:
        """Where the run is, several times a second until it has ended; a failure is raised with its reason."""
        yield Progress(0, self.total)
        state, last_stamp = Progress(0, self.total), None
        while self.process.poll() is None:
            now = stamp(self.folder / "log.jsonl")
            if now != last_stamp:
                state, last_stamp = progress_of(self.folder, self.total), now
            yield state._replace(sample=newest_sample(self.folder))
            try:
                self.process.wait(POLL)
            except subprocess.TimeoutExpired:
                continue
        state = progress_of(self.folder, self.total)
        if self.process.returncode or state.step < self.total:
            where = f"after step {state.step} of {self.total}" if state.step else "before its first step"
            raise RuntimeError(f"The training ended {where}. {self.reason()} {self.advice()}")
        yield state

    def reason(self) -> str:
        """Why the process failed, in a sentence."""
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        number = self.process.returncode
        if number == 0:
            if any(line.strip() == "stopped" for line in lines[-1:]):
                return "It was asked to stop and saved a checkpoint."
            return f"Its process ended without an error, but {self.folder / 'log.jsonl'} does not tell the last steps."
        found = [match for line in lines if (match := ERROR.match(line.strip())) and match[1] != "ChildFailedError"]
        if found and number > 0:
            kind, words = found[-1].groups()
            words = words.strip() if kind in (None, "ValueError", "RuntimeError") else f"{kind}: {words.strip()}"
            return words if words.endswith((".", "!", "?")) else f"{words}."
        exits = [int(match[1]) for line in lines if (match := EXIT.search(line))]
        number = exits[0] if exits else number
        if number < 0:
            hint = " The system does that when memory runs out." if -number == getattr(signal, "SIGKILL", 9) else ""
            return f"It was ended from outside with signal {-number}.{hint}"
        output = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f"It ended with exit code {number} and its last line was: {output}"

    def advice(self) -> str:
        output = self.output.read_text(encoding="utf-8", errors="replace")
        small = "Choose a preset for a smaller GPU. " if "out of memory" in output.lower() else ""
        if any((self.folder / "checkpoints").glob("step_*")) and ALL_DAMAGED not in output:
            return f"{small}Its checkpoints are kept, so Resume Training continues from the newest. Its whole output is in {self.output}."
        return f"{small}Its whole output is in {self.output}."

    def stop(self) -> None:
        """Stops the run with a checkpoint, and kills it after a minute."""
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill(self.process)
        self.process.wait()


@contextmanager
def training(folder: Path, total: int, processes: int = 1) -> Iterator[TrainingProcess]:
    """A running training that has ended when this block is left, however it is left."""
    with locked(folder) as lock:
        process = TrainingProcess(folder, total, processes, lock)
        try:
            yield process
        finally:
            process.stop()


def command(run: Path, processes: int) -> list[str]:
    """The command of a run: torchrun for several processes, plain Python for one."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [sys.executable, *(torchrun if processes > 1 else []), str(LAUNCH), str(run), "--with-parent"]


def own_group(lock: int) -> dict:
    """Ctrl-C in the host's terminal reaches only the host, which then ends the training in its own way."""
    if WINDOWS:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True, "pass_fds": (lock,)}


def kill(process: subprocess.Popen) -> None:
    """End a process and its group for good; torchrun's workers notice the closed pipe by themselves."""
    if WINDOWS:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False, capture_output=True)
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
