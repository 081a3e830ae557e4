"""The folder of a run: settings, log, curve, samples, checkpoints and best weights, each written whole or not at all."""

import json
import os
import re
import shutil
import zlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..page.start import ALL_DAMAGED, entries

DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)


class RunFolder:
    """<folder>/settings.json, log.jsonl, curve.png, samples/, checkpoints/step_00000000/, best/step_00000000/, model/"""

    def __init__(self, path: str | Path, keep: int = 3):
        self.path, self.keep = Path(path), keep
        self.log_file = self.path / "log.jsonl"
        self.checkpoints, self.best = self.path / "checkpoints", self.path / "best"

    def create(self, settings: str) -> None:
        """Creates the missing parts of the folder and writes the settings of the run."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (self.path / "samples").mkdir(exist_ok=True)
        (self.path / "model").mkdir(exist_ok=True)
        for left in (*self.checkpoints.glob(".*.tmp"), *self.best.glob(".*.tmp")):  # of a process that was killed
            shutil.rmtree(left)
        write_text(self.path / "settings.json", settings)

    def log(self, **values) -> None:
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def entries(self) -> list[dict]:
        """The log; lines that a power loss or a fault of the disk spoiled are left out."""
        return entries(self.path)

    def drop_log_after(self, step: int) -> None:
        """Removes log entries after the newest checkpoint, whose steps will run again."""
        kept = [entry for entry in self.entries() if entry.get("step", 0) <= step]
        write_text(self.log_file, "".join(json.dumps(entry) + "\n" for entry in kept))

    def save(self, step: int, parts: dict[str, dict[str, Tensor]], state: dict) -> Path:
        """A checkpoint; the oldest beyond `keep` go."""
        final = write_parts(self.checkpoints / f"step_{step:08}", parts, {"step": step, **state})
        for old in self.checkpoint_folders()[: -self.keep]:
            shutil.rmtree(old)
        return final

    def save_best(self, step: int, parts: dict[str, dict[str, Tensor]], state: dict) -> None:
        """The weights of a step beside those that were the best before, which a checkpoint may still name."""
        self.best.mkdir(exist_ok=True)
        write_parts(self.best / f"step_{step:08}", parts, state)

    def read_best(self, step: int) -> dict[str, dict[str, Tensor]] | None:
        """The stored weights of a step, None where they are damaged."""
        try:
            return read_parts(self.best / f"step_{step:08}")[1]
        except DAMAGE as error:
            self.log(event="damaged best weights", step=step, reason=str(error))
            return None

    def drop_best_but(self, step: int | None) -> None:
        for path in self.best.glob("step_*"):
            if step is None or path.name != f"step_{step:08}":
                shutil.rmtree(path)

    def checkpoint_folders(self) -> list[Path]:
        return sorted(path for path in self.checkpoints.glob("step_*") if re.fullmatch(r"step_\d{8,}", path.name))

    def newest(self) -> tuple[dict, dict[str, dict[str, Tensor]]] | None:
        """State and parts of the newest checkpoint that is whole; a damaged one is skipped and logged.

        None without checkpoints; where all are damaged, nothing begins anew by itself.
        """
        folders, reason = self.checkpoint_folders(), ""
        for path in reversed(folders):
            try:
                return read_parts(path)
            except DAMAGE as error:
                self.log(event="damaged checkpoint", checkpoint=path.name, reason=str(error))
                reason = reason or f"{path.name}: {error}"
        if folders:
            raise ValueError(
                f"{ALL_DAMAGED} in {self.checkpoints} ({reason}). Put back a copy of one, or delete that folder to begin "
                "again at step 0."
            )
        return None


def write_parts(final: Path, parts: dict[str, dict[str, Tensor]], state: dict) -> Path:
    """A folder of tensors with their checksums in state.json, under a temporary name first."""
    temporary = final.with_name(f".{final.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    sums = {}
    for name, tensors in parts.items():
        file = temporary / f"{name}.safetensors"
        save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, file)
        sums[file.name] = checksum(file)
        sync(file)
    write_text(temporary / "state.json", json.dumps({**state, "files": sums}, indent=1))
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(final.parent)
    return final


def read_parts(path: Path) -> tuple[dict, dict[str, dict[str, Tensor]]]:
    """State and parts of such a folder; raises one of DAMAGE for one that is not what was written."""
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    for name, crc in state["files"].items():
        if checksum(path / name) != crc:
            raise ValueError(f"{name} changed since it was written")
    return state, {Path(name).stem: load_file(path / name) for name in state["files"]}


def write_text(path: Path, text: str) -> None:
    """A file that is either the old one or the new one, whatever happens."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    sync(temporary)
    temporary.replace(path)


def sync(path: Path) -> None:
    """Wait until the disk has it; Windows cannot do that for folders, and need not."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
