"""Folders that a user names by hand: they lie inside the model folders, and a name never leads out of them."""

import os
from pathlib import Path

import folder_paths


def folder_inside(name: str, *folders: str) -> Path | None:
    """The folder of a name, or of a full path, inside one of these model folders; None where there is no such folder."""
    for root in (Path(os.path.abspath(path)) for key in folders for path in folder_paths.get_folder_paths(key)):
        path = Path(os.path.normpath(root / name))  # a full path takes the place of the root
        if root in path.parents and path.is_dir():
            return path
    return None


def folder_stamp(folder: Path | None) -> str:
    """Changes when a file of the folder is replaced, so that a node that read it runs again."""
    files = sorted(folder.iterdir()) if folder else []
    found = [(file.name, file.stat()) for file in files if file.is_file()]
    return " ".join(f"{name}-{stat.st_mtime_ns}-{stat.st_size}" for name, stat in found)
