"""Formatting, lint and tests, in the environment."""

import os

from .browser import find_browser
from .console import say
from .locations import REPO
from .missing import say_in_a_line
from .processes import call

WORKERS = 2  # each starts a server of its own, which takes more memory and time than a third would save
ALONE = (
    "-n",
    "--numprocesses",
    "--dist",
    "-s",
    "--capture",
    "--pdb",
    "--trace",
    "--co",
    "--collect-only",
    "-h",
    "--help",
)


def usable_cores():
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_work(arguments, cores):
    """Returns the arguments that share the tests between processes: not for a few of them, nor on one core."""
    names_files = any((REPO / word.split("::")[0]).exists() for word in arguments if not word.startswith("-"))
    alone = any(word.split("=")[0] in ALONE or word.startswith("-n") for word in arguments)
    if names_files or alone or cores < 2:
        return []
    # A file stays in one process, so that what it made once serves all its tests; the long ones begin.
    return ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]


def variables_for(environment):
    """Returns the variables that the checks run with."""
    browser = find_browser()
    # The networks of tests are tiny: with more threads each short operation waits for all, for ever on a busy machine.
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    variables = environment.variables(**threads, **({"DUET_BROWSER": browser} if browser else {}))
    if not browser:
        variables.pop("DUET_BROWSER", None)  # a name that leads to no browser
    return variables


def run_all(environment, pytest_arguments, missing=()):
    """Runs ruff and pytest, all of them whatever fails; returns the first exit code that is not 0."""
    variables = variables_for(environment)
    tests = ["pytest", *shared_work(pytest_arguments, usable_cores()), *pytest_arguments]
    codes = []
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], tests):
        say(f"$ {' '.join(words)}")
        codes.append(call([environment.python, "-m", *words], variables, REPO))
        if codes[-1] == 130:
            raise KeyboardInterrupt
    if any(codes[:2]):
        say("ruff found something: see above.")
    if missing:
        say(say_in_a_line(missing))
    return next((code for code in codes if code), 0)
