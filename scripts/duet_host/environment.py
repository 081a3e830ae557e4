"""The virtual environment that the host, the tests and the benchmarks run in."""

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import pip
from .console import say
from .locations import REPO, cache_folder, check_disk, short_hash
from .lock import file_lock

# Later torchvision and torchaudio wheels do not fit each other; these three do.
PINS = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
# After the first line: independent readers of our files, then what optional nodes need. distributed: several servers.
TOOLS = ("pytest", "pytest-xdist", "ruff", "playwright", "comfy-cli", "distributed", "hypothesis") + (
    *("OpenImageIO", "plyfile", "trimesh"),
    *("usd-core", "invisible-watermark", "onnxruntime"),
)
PACKS = (REPO, REPO / "training")
NEEDED_GB = 10


@dataclass(frozen=True)
class Environment:
    """A finished environment: its folder and the host it was made for."""

    folder: Path
    host: Path
    own_host: bool = False

    @property
    def python(self):
        return pip.python_of(self.folder)

    @property
    def active(self):
        """Whether this very process runs in it."""
        return Path(sys.prefix).resolve() == self.folder.resolve()

    def variables(self, **more):
        """Returns the variables for commands that run in this environment."""
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path, "COMFYUI_PATH": str(self.host), "VIRTUAL_ENV": str(self.folder), **more}


def environment_folder(host):
    """Returns the folder for this Python and these requirements: other requirements make another environment."""
    python = f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]} {platform.machine()}"
    lists = [(folder / "requirements.txt").read_text(encoding="utf-8") for folder in (host, *PACKS)]
    return cache_folder() / f"venv-{short_hash(python, *PINS, *TOOLS, *lists)}"


def is_complete(folder):
    """Tells whether an environment was finished and its interpreter is still there."""
    return (folder / "complete").is_file() and pip.python_of(folder).exists()


def ensure_environment(host, own_host=False):
    """Builds the environment unless it is there; safe to interrupt and to call from several processes."""
    folder = environment_folder(host)
    if not is_complete(folder):
        with file_lock(folder.with_suffix(".lock")) as held:
            if not is_complete(folder):
                _build(folder, host, held)
    return Environment(folder, host, own_host)


def _build(folder, host, held):
    started = time.monotonic()
    # A half-finished install may look whole to pip, so every attempt starts from nothing; pip caches downloads.
    shutil.rmtree(folder, ignore_errors=True)
    check_disk(folder, NEEDED_GB)
    pip.make_environment(folder, "Creating the environment", held)
    python = pip.python_of(folder)
    lists = [word for folder in (host, *PACKS) for word in ("-r", str(folder / "requirements.txt"))]
    pip.run(python, "Installing torch, ComfyUI's packages and tools", "install", *PINS, *lists, *TOOLS, held=held)
    _make_cv2_importable(python, held)
    (folder / "complete").write_text("\n".join((*PINS, *TOOLS, "")), encoding="utf-8")
    say(f"The environment is in {folder} ({time.monotonic() - started:.0f} s)")


def _make_cv2_importable(python, held):
    """Takes the headless OpenCV where the system lacks the libraries of the other one."""
    probe = subprocess.run([python, "-c", "import cv2"], capture_output=True, text=True, check=False)
    if probe.returncode == 0:
        return
    pip.run(python, "Removing opencv-python", "uninstall", "-y", "opencv-python", held=held)
    pip.run(python, "Installing opencv-python-headless", "install", "opencv-python-headless>=4.8", held=held)
    reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
    say(f"opencv-python does not load here ({reason}); this environment has opencv-python-headless instead.")
