"""Our own clip folders, and writing them.

<clip>/{frames,masks,poses,depth}/%06d.png, with plate.png, person.png, caption.txt and meta.json where there are any.
Depth is grey of 16 bits, 65535 near; a depth picture in colours is read as a heat map of the colormap that meta.json
names.
"""

import json
import math
import os
import shutil
import uuid
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...models.choices import COLOUR_MAPS
from .check import misfit
from .pictures import colour, cut_out, depth_of, encode_png, mask_of, read_raw
from .windows import Take, Windows, shortfall, text_of

FOLDERS = {"video": "frames", "depth": "depth", "pose": "poses", "mask": "masks"}
ENDINGS = (".png", ".jpg", ".jpeg")
META = {"fps": 8.0, "depth_lo": 0.0, "depth_hi": 1.0, "colormap": "hot"}  # what 0 and 65535 mean, and how to paint it


class FolderClips(Windows):
    def __init__(self, path: str, size=256, frames: int = 8, interval: int = 1, stride: int | None = None):
        root = existing(path)
        own = (root / FOLDERS["video"]).is_dir()
        super().__init__(
            [FolderTake(one) for one in ([root] if own else folders(root))], size, frames, interval, stride
        )


class FolderTake(Take):
    def __init__(self, folder: Path):
        super().__init__(folder.name)
        self.folder, self.meta = folder, dict(META)
        try:
            self.meta = read_meta(folder)
            found = {name: numbered(folder / part) for name, part in FOLDERS.items()}
        except ValueError as error:
            self.trouble = str(error)
            return
        numbers = found["video"]
        self.trouble = shortfall(numbers, {name: files for name, files in found.items() if name != "video"})
        self.count = len(numbers)
        self.files = {name: [files.get(n) for n in numbers] for name, files in found.items()}

    def picture(self, name: str, position: int) -> np.ndarray:
        raw = read_raw(self.files[name][position])
        if name == "depth":
            return depth_of(raw, self.meta["colormap"])
        return mask_of(raw) if name == "mask" else colour(raw)

    def still(self, name: str) -> np.ndarray | None:
        file = self.folder / f"{name}.png"
        if not file.is_file():
            return None
        raw = read_raw(file)
        cut = name == "person" and raw.ndim == 3 and raw.shape[2] == 4
        return cut_out(colour(raw), mask_of(raw[..., 3])) if cut else colour(raw)

    def caption(self) -> str:
        return text_of(self.folder / "caption.txt")


def existing(path: str) -> Path:
    """A folder that is there."""
    if not isinstance(path, (str, os.PathLike)) or not Path(path).is_dir():
        raise ValueError(
            f"data: expected a folder as path, got {str(path)!r}: write the whole path of one that exists."
        )
    return Path(path)


def folders(root: Path) -> list[Path]:
    """The folders in one, in order; those with a dot before their name are still being written."""
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def numbered(folder: Path, tail: str = "") -> dict[int, Path]:
    """The pictures in a folder by the number they are named with: 000001.png, or 000001.png.mask.jpg with that tail."""
    found: dict[int, Path] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        stem, ending = os.path.splitext(file.name[: len(file.name) - len(tail)])
        if not file.name.endswith(tail) or ending.lower() not in ENDINGS or not (stem.isascii() and stem.isdigit()):
            continue
        if int(stem) in found:
            raise ValueError(f"expected one picture of a number, got {found[int(stem)].name} and {file.name}: keep one")
        found[int(stem)] = file
    return dict(sorted(found.items()))


def read_meta(folder: Path) -> dict:
    """meta.json over the defaults."""
    file = folder / "meta.json"
    try:
        return checked(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else dict(META)
    except (ValueError, OSError) as error:
        raise ValueError(f"meta.json: {error}") from error


def checked(meta: dict) -> dict:
    """Meta data with all names, refused when a value cannot be."""
    if not isinstance(meta, dict):
        raise ValueError(f"expected names with values, got {type(meta).__name__}: write {{}} to have the usual ones")
    meta = {**META, **meta}
    for name in ("fps", "depth_lo", "depth_hi"):
        value = meta[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"expected a number as {name}, got {value!r}: correct it")
    if meta["colormap"] not in COLOUR_MAPS:
        raise ValueError(f"expected a colormap out of {', '.join(COLOUR_MAPS)}, got {meta['colormap']!r}: correct it")
    return meta


def write_clip(folder: Path | str, clip: dict[str, Tensor], meta: dict | None = None) -> Path:
    """A clip as a new folder, which appears whole or not at all; plate and person may be absent."""
    folder = Path(folder)
    reason = misfit(clip, optional=("plate", "person"))
    if reason:
        raise ValueError(f"{folder.name}: {reason}.")
    if os.path.lexists(folder):
        raise ValueError(f"Expected the name of a new clip folder, got {folder}, which exists: choose another name.")
    text = json.dumps(checked(meta or {}), indent=1, allow_nan=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        write_pictures(unfinished, clip)
        (unfinished / "meta.json").write_text(text, encoding="utf-8")
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def write_pictures(folder: Path, clip: dict[str, Tensor]) -> None:
    """The pictures of a clip, numbered from 1."""
    for name, part in FOLDERS.items():
        (folder / part).mkdir(parents=True)
        for number, picture in enumerate(clip[name], 1):
            (folder / part / f"{number:06}.png").write_bytes(encode_png(as_array(picture)))
    for name in ("plate", "person"):
        if clip.get(name) is not None:
            (folder / f"{name}.png").write_bytes(encode_png(as_array(clip[name])))


def as_array(picture: Tensor) -> np.ndarray:
    """(3, H, W) or (H, W) as an array with the channels last."""
    picture = picture.detach().cpu()
    return (torch.movedim(picture, 0, -1) if picture.ndim == 3 else picture).contiguous().numpy()
