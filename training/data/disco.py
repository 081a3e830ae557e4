"""Data sets that were prepared for DisCo: its folders of pictures, and its tables.

A mask is a viridis plot, a pose 17 COCO joints. Depth is ours: pictures named like the frames, in grey or as heat maps.
"""

import base64
import binascii
import re
from functools import cached_property
from pathlib import Path

import numpy as np

from ...models.choices import COLOUR_MAPS
from .coco import pose_picture, read_people
from .folder import existing, folders, numbered
from .pictures import colour, decode_raw, depth_of, fit_mask, mask_of, read_raw
from .tsv import Table, inside, read_yaml
from .windows import INSTRUCTIONS, Take, Windows, shortfall

PARTS = {"depth": ("depth", ""), "pose": ("openpose_json", ".json"), "mask": ("groundsam", ".mask.jpg")}
TABLES = {"video": "img", "depth": "depth", "pose": "poses", "mask": "masks"}
KEY = re.compile(r"(.+)_(\d+)(?:\.\w+)?")  # TiktokDance_00001_0001.png, S001C001P001R001A001_0001


class DiscoClips(Windows):
    def __init__(
        self, path: str, size=256, frames: int = 8, interval: int = 1, stride: int | None = None, colormap: str = "hot"
    ):
        takes = [DiscoTake(one, checked_colormap(colormap)) for one in folders(existing(path))]
        super().__init__(takes, size, frames, interval, stride)


class DiscoTable(Windows):
    def __init__(
        self, path: str, split: str = "train", size=256, frames: int = 8, interval: int = 1, stride: int | None = None,
        colormap: str = "hot",
    ):  # fmt: skip
        tables = open_tables(Path(path), split)
        clips: dict[str, dict[int, str]] = {}
        for key in (key for table in tables["video"] for key in table.rows):
            found = KEY.fullmatch(key)
            if not found:
                raise ValueError(f"{path}: expected keys such as TiktokDance_00001_0001.png, got {key!r}: rename it.")
            clips.setdefault(found[1], {})[int(found[2])] = key
        takes = [TableTake(name, keys, tables, checked_colormap(colormap)) for name, keys in sorted(clips.items())]
        super().__init__(takes, size, frames, interval, stride)


class PosedTake(Take):
    """A take whose pose may be joints, which are drawn in the size of its first frame."""

    colormap = "hot"

    @cached_property
    def shape(self) -> tuple[int, int]:
        return self.picture("video", 0).shape[:2]

    def converted(self, name: str, raw: np.ndarray) -> np.ndarray:
        if name == "depth":
            return depth_of(raw, self.colormap)
        return self.like_frames(mask_of(raw)) if name == "mask" else colour(raw)

    def like_frames(self, mask: np.ndarray) -> np.ndarray:
        """A plotted mask has the size of its plot: the frames' own, if the shape agrees."""
        (height, width), (rows, columns) = self.shape, mask.shape
        alike = abs(rows * width - columns * height) <= 0.01 * columns * height
        return fit_mask(mask, self.shape) if alike else mask


class DiscoTake(PosedTake):
    def __init__(self, folder: Path, colormap: str):
        super().__init__(folder.name)
        self.colormap = colormap
        try:
            frames = numbered(folder)
            found = {name: numbered(folder / part, tail) for name, (part, tail) in PARTS.items()}
        except ValueError as error:
            self.trouble = str(error)
            return
        self.trouble, self.count = shortfall(frames, found), len(frames)
        self.files = {name: [files.get(n) for n in frames] for name, files in {"video": frames, **found}.items()}

    def picture(self, name: str, position: int) -> np.ndarray:
        file = self.files[name][position]
        if name == "pose":
            return pose_picture(read_people(file.read_bytes(), str(file)), *self.shape)
        return self.converted(name, read_raw(file))


class TableTake(PosedTake):
    def __init__(self, name: str, keys: dict[int, str], tables: dict[str, list[Table]], colormap: str):
        super().__init__(name, len(keys))
        self.keys, self.tables, self.colormap = [keys[n] for n in sorted(keys)], tables, colormap
        others = {
            name: [n for n, key in keys.items() if any(key in table.rows for table in tables[name])]
            for name in PARTS
        }  # fmt: skip
        self.trouble = shortfall(sorted(keys), others)

    def picture(self, name: str, position: int) -> np.ndarray:
        key = self.keys[position]
        where = f"{key} of {TABLES[name]}"
        cell = next(table for table in self.tables[name] if key in table.rows).cell(key)
        data = cell if cell[:1] in (b"[", b"{") else decode_base64(cell, where)
        if name == "pose" and data.lstrip()[:1] == b"[":
            return pose_picture(read_people(data, where), *self.shape)
        return self.converted(name, decode_raw(data, where))


def decode_base64(cell: bytes, where: str) -> bytes:
    try:
        return base64.b64decode(cell, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where}: expected base64, got something else ({error}): write the table again.") from error


def checked_colormap(colormap: str) -> str:
    if colormap not in COLOUR_MAPS:
        raise ValueError(f"data: colormap is one of {', '.join(COLOUR_MAPS)}, not {colormap!r}.")
    return colormap


def open_tables(path: Path, split: str) -> dict[str, list[Table]]:
    """The tables that the YAML file of a split names, by what they hold."""
    listing = path if path.is_file() else find_yaml(existing(path), split)
    root = listing.parent if path.is_file() else path
    named = read_yaml(listing.read_text(encoding="utf-8"), str(listing))
    tables = {}
    for name, word in TABLES.items():
        files = named.get(word) or []
        if not files:
            how = INSTRUCTIONS.get(name, "name the table of the frames")
            raise ValueError(f"{listing}: expected a table named {word}, got none: {how}, and write it as a table.")
        files = [files] if isinstance(files, str) else files
        tables[name] = [Table(find_table(listing.parent, root, file)) for file in files]
    return tables


def find_table(beside: Path, root: Path, name: str) -> Path:
    """A table beside its YAML file, or under the data folder."""
    for file in (inside(beside, name), inside(root, name)):
        if file.is_file():
            return file
    raise ValueError(f"{beside}: expected the table {name}, got no such file: move it beside its YAML file.")


def find_yaml(root: Path, split: str) -> Path:
    """The one YAML file of a split, in the folder or one below; with several, the one that names depth."""
    if not re.fullmatch(r"[\w-]+", str(split)):
        raise ValueError(f"data: split is a word such as train, not {split!r}.")
    found = sorted([*root.glob(f"{split}*.yaml"), *root.glob(f"*/{split}*.yaml")])
    with_depth = [file for file in found if TABLES["depth"] in read_yaml(file.read_text(encoding="utf-8"), str(file))]
    usable = with_depth or found
    if len(usable) != 1:
        names = ", ".join(file.name for file in usable) or "none"
        raise ValueError(f"{root}: expected one file {split}*.yaml, got {names}: give the whole path of one.")
    return usable[0]
