"""Formatting, lint and tests, in the environment."""

import os
import shutil
import sys
from pathlib import Path

from .console import say
from .locations import REPO
from .processes import call

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = {
    "darwin": [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ],
    "win32": [
        os.path.join(os.environ.get(key, ""), "Google", "Chrome", "Application", "chrome.exe")
        for key in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
    ],
}
NO_BROWSER = (
    "No browser was found: the browser tests did not run. "
    "Install chromium (for example: apt install chromium), or set DUET_BROWSER to the browser's path."
)


def find_browser():
    """Returns the path of a Chromium-like browser, or None."""
    named = os.environ.get("DUET_BROWSER")
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in COMMANDS)
    places = (place for place in PLACES.get(sys.platform, []) if Path(place).is_file())
    return next(filter(None, (*found, *places)), None)


def run_all(environment, pytest_arguments):
    """Runs ruff and pytest, all of them whatever fails; returns the first exit code that is not 0."""
    browser = find_browser()
    # The networks of tests are tiny: with more threads each short operation waits for all, for ever on a busy machine.
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    variables = environment.variables(**threads, **({"DUET_BROWSER": browser} if browser else {}))
    if not browser:
        variables.pop("DUET_BROWSER", None)  # a name that leads to no browser
    codes = []
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["pytest", *pytest_arguments]):
        say(f"$ {' '.join(words)}")
        codes.append(call([environment.python, "-m", *words], variables, REPO))
        if codes[-1] == 130:
            raise KeyboardInterrupt
    if any(codes[:2]):
        say("ruff found something: see above.")
    if not browser:
        say(NO_BROWSER)
    return next((code for code in codes if code), 0)
