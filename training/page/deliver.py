"""Finished model files, copied to where the host's loaders list them. Standard library only."""

import filecmp
import os
import shutil
from collections.abc import Callable
from pathlib import Path

FOLDERS = {
    "vae": "vae",
    "model": "duet_models",
    "pose": "duet_controlnets",
    "lora": "loras",
    "tuning": "model_patches",
    "codec": "flow_models",
    "flow": "flow_models",
}  # a recipe's file to the host's folder
FIRST = (
    "duet_models",
    "model_patches",
    "flow_models",
)  # files that loaders open come before files that patch them


def deliver(folder: Path, name: str, models: Callable[[str], Path]) -> list[Path]:
    """Copy the files of a run under its name; an existing file is never overwritten; an equal one is returned."""
    copies = []
    for source in sorted((folder / "model").glob("*.safetensors")):
        target = models(FOLDERS.get(source.stem, "duet_models"))
        suffix = "" if source.stem in FOLDERS else f"_{source.stem}"
        copies.append(copy(source, target, f"{name}{suffix}"))
    return sorted(copies, key=lambda path: path.parent.name not in FIRST)


def copy(source: Path, folder: Path, name: str) -> Path:
    """A copy under the first free name: name, name_2, name_3..."""
    folder.mkdir(parents=True, exist_ok=True)
    number, target = 1, folder / f"{name}.safetensors"
    while target.exists():
        if filecmp.cmp(source, target, shallow=False):
            return target
        number += 1
        target = folder / f"{name}_{number}.safetensors"
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        shutil.copyfile(source, temporary)
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
