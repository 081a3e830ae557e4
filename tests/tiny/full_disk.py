"""A process for which no file may grow beyond 4096 bytes: a full disk, without the right to mount one."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = """
import resource, signal, sys
from pathlib import Path
import conftest, torch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
folder = Path(sys.argv[1])
"""


def run_on_full_disk(code: str, folder: Path) -> str:
    """What a program prints that writes into a folder."""
    done = subprocess.run(
        [sys.executable, "-c", LIMIT + code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.stdout
