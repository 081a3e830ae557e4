"""The parts of bench gpu, each in a process of its own: what it prints is read line by line, so a part that is cut leaves figures.

A row is (part, name of a network or "", figures); what failed has one sentence in place of figures, as {"failed": ...}.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer

FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
MEASURED = ("arithmetic", "steps")  # in one process
PARTS = (*MEASURED, "demo", "tests")
NO_HOST = "It needs ComfyUI: run python3 scripts/host.py bench gpu."
VERDICT = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b.*\[ *\d+%\]$")
COUNTED = {
    "PASSED": "passed",
    "XPASS": "passed",
    "SKIPPED": "skipped",
    "XFAIL": "skipped",
    "FAILED": "failed",
    "ERROR": "failed",
}
SMALL_TEST = ["tests/nodes/test_gpu.py", "-k", "autoencoder"]
Row = tuple[str, str, dict]


def environment(device: str) -> dict[str, str]:
    """Variables of a part: on a CPU no card is seen, and benchmarks of the host take Apple's GPU only where it is asked for."""
    variables = {**os.environ, "DUET_DEVICE": device, "PYTHONUNBUFFERED": "1"}
    return variables | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})


class Process:
    """A command whose lines are read as it prints them, ended after some minutes."""

    def __init__(self, command: list, device: str, minutes: float):
        self.minutes, self.cut, self.errors = minutes, False, deque(maxlen=20)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.running = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment(device), **pipes)
        self.reading = Thread(target=self.read_errors, daemon=True)
        self.clock = Timer(60 * minutes, self.end)
        self.reading.start()
        self.clock.start()

    def read_errors(self) -> None:
        for line in self.running.stderr:
            self.errors.append(line.strip())

    def end(self) -> None:
        self.cut = True
        self.running.kill()

    def lines(self) -> Iterator[str]:
        yield from self.running.stdout
        self.running.wait()
        self.reading.join(5)
        self.clock.cancel()

    def failure(self) -> str:
        """Why there are no more figures."""
        if self.cut:
            return f"It was ended after {self.minutes:g} minutes: give it more with --minutes."
        said = [line for line in self.errors if line] or [f"its process ended with {self.running.returncode}"]
        return f"It gave no figures: {said[-1][:200]}"


def measured(options) -> Iterator[Row]:
    """The device, then arithmetic and steps of the networks, from one process."""
    parts = [part for part in MEASURED if part in options.parts]
    command = [sys.executable, FOLDER / "gpu.py", "--child", *(["--tiny"] if options.tiny else []), "--device", options.device,
               "--runs", options.runs, "--shapes", *options.shapes, "--parts", *parts]  # fmt: skip
    process = Process(command, options.device, options.minutes)
    missing = [("device", ""), *((part, name) for part in parts for name in options.shapes)]
    for line in process.lines():
        if line.startswith("{"):
            row = json.loads(line)
            missing = [one for one in missing if one != (row["part"], row["name"])]
            yield row["part"], row["name"], row["figures"]
    for part, name in missing:
        yield part, name, {"failed": process.failure()}


def demo(options) -> Iterator[Row]:
    """benchmarks/demo.py, the shipped pair on held-out clips through the pack's nodes."""
    if "COMFYUI_PATH" not in os.environ:
        yield "demo", "", {"failed": NO_HOST}
        return
    small = ["--clips", 1, "--sampling-steps", 1] if options.tiny else ["--clips", options.clips]
    process = Process([sys.executable, FOLDER / "demo.py", "--json", *small], options.device, options.minutes)
    said = "".join(process.lines())
    try:
        yield "demo", "", json.loads(said[said.index("{") :])
    except ValueError:
        yield "demo", "", {"failed": process.failure()}


def tests(options) -> Iterator[Row]:
    """The tests of the nodes, counted as they end."""
    if "COMFYUI_PATH" not in os.environ:
        yield "tests", "", {"failed": NO_HOST}
        return
    which = SMALL_TEST if options.tiny else options.tests
    command = [sys.executable, "-m", "pytest", "-v", "--tb=no", "--color=no", "-p", "no:cacheprovider", *which]
    process, begin = Process(command, options.device, options.minutes), time.perf_counter()
    counts, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for line in process.lines():
        if found := VERDICT.match(line.strip()):
            counts[COUNTED[found[2]]] += 1
            failed += [found[1]] if COUNTED[found[2]] == "failed" else []
    row = {**counts, "names_of_failed": failed, "which": " ".join(which), "seconds": time.perf_counter() - begin}
    if not any(counts.values()):
        row = {"failed": process.failure()}
    elif process.cut:
        row["cut"] = process.failure()
    yield "tests", "", row


def rows(options) -> Iterator[Row]:
    """Everything that was asked for, the device first."""
    yield from measured(options)
    for name, part in (("demo", demo), ("tests", tests)):
        if name in options.parts:
            yield from part(options)
