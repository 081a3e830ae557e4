"""The folder with everything a server of this clone writes, so that the host's own tree stays untouched."""

import json
import os
import shutil
from pathlib import Path

from .locations import REPO

FOLDERS = ("models", "custom_nodes", "input", "temp", "user")
LOGS_KEPT = 10


def own_packs():
    """Returns this repository's packs: the names of their folders and where they are."""
    packs = {"comfyui-duet": REPO}
    if (REPO / "training" / "__init__.py").is_file():
        packs["comfyui-duet-training"] = REPO / "training"
    return packs


def prepare_state(state, packs=None):
    """Creates the folders and links packs into them, this repository's if none are given."""
    for name in FOLDERS:
        (state / name).mkdir(parents=True, exist_ok=True)
    for name, target in (own_packs() if packs is None else packs).items():
        link_folder(state / "custom_nodes" / name, target)
    drop_old_logs(state)


def link_folder(link, target):
    """Makes `link` point to a folder, replacing a link that points elsewhere."""
    if link.exists() and link.resolve() == target.resolve():
        return
    if os.path.lexists(link):
        # A junction is a folder to Windows: rmdir takes away the link, never what it points to.
        os.rmdir(link) if os.name == "nt" else link.unlink()
    try:
        if os.name == "nt":
            import _winapi

            _winapi.CreateJunction(str(target), str(link))  # needs no administrator, unlike a symbolic link
        else:
            link.symlink_to(target, target_is_directory=True)
    except FileExistsError:
        pass  # another process made the same link in between


def drop_old_logs(state):
    """Keeps only the newest server logs."""
    logs = sorted(state.glob("server-*.log"), key=lambda log: log.stat().st_mtime, reverse=True)
    for log in logs[LOGS_KEPT:]:
        log.unlink(missing_ok=True)


def scratch_folder(state, port):
    """Returns a fresh folder for one server: a shared temp folder would be emptied by the next one that starts."""
    folder = state / "servers" / str(port)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "user").mkdir(parents=True)
    return folder


def models_of(host, state):
    """Writes the configuration that shows a server the models of the user's own ComfyUI; returns its path."""
    models = Path(host) / "models"
    folders = sorted(folder.name for folder in models.iterdir() if folder.is_dir()) if models.is_dir() else []
    config = {"comfyui": {"base_path": str(models), **{name: name for name in folders}}}
    path = state / "host_models.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML
    return path
