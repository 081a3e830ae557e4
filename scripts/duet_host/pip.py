"""pip behind one progress line, its failures in one sentence."""

import os
import re
import sys

from .errors import HostError
from .processes import StepFailed, run_step

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def describe(line):
    """Boils a line of pip's output down to a label, or None when it says nothing new."""
    word, _, rest = line.strip().partition(" ")
    if word in ("Collecting", "Downloading", "Building"):
        name = NAME.search(rest.replace("wheel for ", "").replace("wheels for collected packages: ", ""))
        return f"{word} {_package(name.group())}" if name else None
    if line.startswith("Installing collected packages:"):
        return f"Installing {rest.count(',') + 1} packages"
    return None


def _package(name):
    return name.split("-", 1)[0] if name.endswith((".whl", ".gz", ".metadata")) else name


def last_useful_line(lines):
    """Returns the line of pip's output that says best why it failed."""
    errors = [line.strip() for line in lines if line.lstrip().startswith(("ERROR:", "error:", "OSError"))]
    if errors:
        return errors[-1]
    return next((line.strip() for line in reversed(lines) if line.strip()), "pip printed nothing")


def environment():
    """Returns the variables pip runs with: the user's own, without what would send packages elsewhere."""
    dropped = ("PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "__PYVENV_LAUNCHER__")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off", "PIP_NO_COLOR": "1"}
    return {**kept, **quiet, "PYTHONUNBUFFERED": "1"}


def run(python, label, *arguments, held=None):
    """Runs pip; `held` is the descriptor of a lock that must outlive it."""
    command = [python, "-m", "pip", *arguments]
    try:
        run_step(label, command, describe, env=environment(), pass_fds=(held,) if held is not None else ())
    except StepFailed as failure:
        if any("DO NOT MATCH THE HASHES" in line for line in failure.lines):
            raise HostError(
                "The downloaded archive is not the expected one (its hash differs). Nothing was kept."
            ) from failure
        reason = last_useful_line(failure.lines)
        raise HostError(f"{label} failed. pip says: {reason} (Is the package index reachable?)") from failure


def make_environment(folder, label, held=None):
    """Creates an empty virtual environment with pip, replacing what is there."""
    try:
        import ensurepip  # noqa: F401  Debian takes this out of its venv
        import venv  # noqa: F401
    except ImportError as error:
        raise HostError(
            f"Python's {error.name} module is missing. On Debian or Ubuntu: apt install python3-venv. Then run the command again."
        ) from error
    command = [sys.executable, "-m", "venv", "--clear", folder]
    try:
        run_step(label, command, env=environment(), pass_fds=(held,) if held is not None else ())
    except StepFailed as failure:
        raise HostError(f"{label} failed: {last_useful_line(failure.lines)}") from failure


def python_of(folder):
    """Returns the interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def download_archive(requirement, sha256, folder, label, held):
    """Downloads one source archive; pip itself refuses it when the hash differs, before it runs anything of it."""
    bootstrap = folder / "pip"  # a system Python may come without it
    make_environment(bootstrap, "Preparing pip", held)
    wanted = folder / "archive.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--no-binary", ":all:", "--ignore-requires-python", "--dest", str(folder)]
    run(python_of(bootstrap), label, "download", *options, "-r", str(wanted), held=held)
    return next(folder.glob("*.tar.gz"))
