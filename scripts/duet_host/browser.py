"""The browser that the page's tests need: where it is, and how it comes here."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .console import say
from .errors import HostError
from .processes import StepFailed, run_step

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
BY_HAND = {
    "darwin": "Install Google Chrome from its page, or run: brew install --cask google-chrome",
    "win32": "Install Google Chrome from its page, or run: winget install Google.Chrome",
}
ELSEWHERE = "Install Chromium with this system's own package manager"
RETRY_AFTER = 10.0


def find_browser():
    """Returns the path of a Chromium-like browser, or None."""
    named = os.environ.get("DUET_BROWSER")
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in COMMANDS)
    places = (place for place in PLACES.get(sys.platform, []) if Path(place).is_file())
    return next(filter(None, (*found, *places)), None)


def install_browser():
    """Installs Chromium with apt-get unless a browser is there; says what to do where that is not possible."""
    if find_browser():
        return
    if os.environ.get("DUET_BROWSER"):
        raise HostError(f"DUET_BROWSER is {os.environ['DUET_BROWSER']!r}, which is no program. Correct it or unset it.")
    if not shutil.which("apt-get"):
        raise HostError(f"{BY_HAND.get(sys.platform, ELSEWHERE)} (or set DUET_BROWSER), then run the tests again.")
    package = chromium_package()
    apt = [*_as_root(package), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    try:
        _install(apt, package)
    except StepFailed:
        time.sleep(RETRY_AFTER)  # a mirror that was busy, another apt-get that ends soon
        try:
            _install(apt, package)
        except StepFailed as failure:
            raise HostError(f"{package} was not installed. apt-get says: {_reason(failure.lines)}") from failure
    if not find_browser():
        raise HostError(f"{package} was installed, but there is no {' or '.join(COMMANDS[:2])} in PATH.")
    say(f"Chromium is installed: {find_browser()}")


def chromium_package(release=Path("/etc/os-release")):
    """Returns the package's name: Ubuntu has it under another one than Debian."""
    text = release.read_text(encoding="utf-8") if release.is_file() else ""
    return "chromium-browser" if "ID=ubuntu" in text.splitlines() else "chromium"


def _as_root(package):
    """Returns what comes before a command that only root may run."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    raise HostError(
        f"Only root may install a package. Run: sudo apt-get update && sudo apt-get install -y {package}. "
        "Then run the tests again."
    )


def _install(apt, package):
    run_step("Reading the package lists", [*apt, "update"], lambda line: line[:60])  # the lists may be empty
    run_step(f"Installing {package}", [*apt, "install", "-y", package], lambda line: line[:60])


def _reason(lines):
    errors = [line for line in lines if line.startswith("E:")]
    return (errors or [line for line in lines if line.strip()] or ["nothing"])[-1]
