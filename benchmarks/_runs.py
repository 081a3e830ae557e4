"""Runs of the training pack whose results a benchmark compares."""

import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

from _pack import ROOT
from pack.training.page.lock import wait_for


def committed_settings(name: str) -> dict:
    """The settings of one of the pack's own runs."""
    return json.loads((ROOT / "training" / "runs" / f"{name}.json").read_text(encoding="utf-8"))


def as_folder(row: str) -> str:
    """The name of a table's row as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "_", row.lower()).strip("_")


def train_run(run: dict, folder: Path) -> Path:
    """Trains a run and returns the folder of its models; a finished run is reused, a stopped one is resumed.

    A run with other settings is another run: their checksum is part of its name. Of two processes
    with one run the second waits.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    run = {**run, "folder": f"{run['folder']}_{zlib.crc32(json.dumps(run, sort_keys=True).encode()):08x}"}
    file, log = folder / f"{run['folder']}.json", folder / run["folder"] / "log.jsonl"
    file.write_text(json.dumps(run, indent=1), encoding="utf-8")
    with wait_for(folder / f".{run['folder']}.lock"):
        if not (log.exists() and '"event": "finished"' in log.read_text(encoding="utf-8")):
            command = [sys.executable, str(ROOT / "training" / "launch.py"), str(file)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return log.parent / "model"
