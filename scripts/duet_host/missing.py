"""What the tests cannot run on this machine, and why."""

import os
import shutil
import subprocess
from pathlib import Path

from .browser import find_browser
from .locations import REPO

NO_BROWSER = "no Chromium was found (install it with --install-browser or set DUET_BROWSER)"


def not_run():
    """Returns the groups of tests that are skipped here, each with the reason."""
    causes = [
        ("the browser tests", NO_BROWSER, not find_browser()),
        ("the tests of what is published", "this is no Git checkout or git is missing", not is_checkout()),
        ("the tests of signals", "Windows has none", os.name == "nt"),
        ("the test of a killed training", "there is no /proc", not Path("/proc/self/cmdline").exists()),
    ]
    return [(tests, reason) for tests, reason, holds in causes if holds]


def is_checkout():
    """Tells whether git knows which files belong to the repository."""
    command = ["git", "ls-files", "pyproject.toml"]
    return bool(shutil.which("git")) and subprocess.run(command, cwd=REPO, capture_output=True).stdout != b""


def say_in_a_line(groups):
    """Returns the sentence that says what is not run."""
    if not groups:
        return "Everything can be run here."
    return "Not run here: " + "; ".join(f"{tests}, since {reason}" for tests, reason in groups) + "."
