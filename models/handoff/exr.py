"""OpenEXR files by the OpenEXR library: channels of one frame in, channels of one frame out.

Letters: H and W pixels.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .names import DWAA, NONE, PIZ, ZIP

HALF_LIMIT = 65504.0
OWN_ATTRIBUTES = {  # of the format itself, which a workflow's extra information must not change
    "channels", "chunkCount", "compression", "dataWindow", "displayWindow", "lineOrder", "name", "pixelAspectRatio",
    "screenWindowCenter", "screenWindowWidth", "tiles", "type", "version", "view",
}  # fmt: skip
Channels = Mapping[str, np.ndarray]  # name to (H, W)


class ExrSettings(NamedTuple):
    """How the numbers of a file are stored."""

    half: bool = False
    compression: str = ZIP


class ExrHead(NamedTuple):
    """What a file says of itself."""

    size: tuple[int, int]
    names: list[str]  # of all parts, "part.channel" where two parts have a channel of one name
    attributes: dict


def import_openexr():
    """OpenEXR, or the sentence that names the package."""
    try:
        import OpenEXR
    except ImportError as error:
        raise ImportError(
            f"OpenEXR could not be imported ({error}): run `pip install OpenEXR` in ComfyUI's Python, and start ComfyUI again."
        ) from error
    return OpenEXR


def write_frame(path: Path, parts: Mapping[str, Channels], attributes: Mapping, settings: ExrSettings) -> None:
    """One frame to a file: a part for each name, or channels alone under the name ""."""
    exr = import_openexr()
    compression = {
        ZIP: exr.ZIP_COMPRESSION,
        PIZ: exr.PIZ_COMPRESSION,
        NONE: exr.NO_COMPRESSION,
        DWAA: exr.DWAA_COMPRESSION,
    }
    header = {name: value for name, value in attributes.items() if name not in OWN_ATTRIBUTES}
    header |= {"compression": compression[settings.compression], "type": exr.scanlineimage}
    stored = {
        part: {name: as_stored(name, plane, settings.half) for name, plane in channels.items()}
        for part, channels in parts.items()
    }
    if list(stored) == [""]:
        file = exr.File(header, stored[""])
    else:
        file = exr.File([exr.Part(dict(header), channels, name) for name, channels in stored.items()])
    try:
        file.write(str(path))
    except RuntimeError as error:  # "Failed to write ... file "name". No space left on device."
        raise OSError(0, str(error).rsplit('". ', 1)[-1].strip().rstrip(".")) from error


def as_stored(name: str, plane: np.ndarray, half: bool) -> np.ndarray:
    """(H, W) as half or float; a number that half cannot hold is refused."""
    plane = np.ascontiguousarray(plane, np.float32)
    if not half:
        return plane
    largest = np.abs(plane).max()
    if largest > HALF_LIMIT:
        raise ValueError(
            f"{name}: expected numbers up to {HALF_LIMIT:g}, the largest that half can store, got {largest:g}: set depth_format "
            "to EXR float, or saved_units to metres."
        )
    return plane.astype(np.float16)


def read_head(path: Path) -> ExrHead:
    """Size, channel names and attributes, without reading a pixel."""
    exr = import_openexr()
    with readable(path):
        file = exr.File(str(path), header_only=True)
        parts = file.parts
        names = names_of({part.header.get("name", ""): [c.name for c in part.header["channels"]] for part in parts})
        attributes = dict(parts[0].header)
        return ExrHead(size_of(attributes["displayWindow"]), [name for _, _, name in names], attributes)


def read_channels(path: Path, wanted: list[str]) -> dict[str, np.ndarray]:
    """The wanted channels as (H, W) float32 of the whole picture; beyond what the file holds they are 0."""
    exr = import_openexr()
    found = {}
    with readable(path):
        file = exr.File(str(path), separate_channels=True)
        parts = {part.header.get("name", ""): part for part in file.parts}
        for part, channel, name in names_of({name: list(part.channels) for name, part in parts.items()}):
            if name in wanted:
                header = parts[part].header
                pixels = parts[part].channels[channel].pixels
                found[name] = placed(pixels, header["dataWindow"], header["displayWindow"])
        if set(wanted) - set(found):
            raise ValueError(f"channels {', '.join(sorted(set(wanted) - set(found)))} are missing")
    return found


def names_of(parts: Mapping[str, list[str]]) -> list[tuple[str, str, str]]:
    """(part, channel, name): the channel's own name, with the part in front where several parts have it."""
    every = [channel for channels in parts.values() for channel in channels]
    name = lambda part, channel: channel if every.count(channel) == 1 else f"{part}.{channel}"
    return [(part, channel, name(part, channel)) for part, channels in parts.items() for channel in channels]


def placed(pixels: np.ndarray, data, display) -> np.ndarray:
    """(h, w) pixels of the data window in the display window (H, W)."""
    (left, top), (height, width) = np.array(data[0]) - np.array(display[0]), size_of(display)
    if pixels.ndim != 2 or pixels.dtype.kind not in "fu" or pixels.shape != size_of(data):
        raise ValueError("channels of fewer pixels than the picture, or deep pixels, are not supported")
    if (left, top) == (0, 0) and pixels.shape == (height, width):
        return pixels.astype(np.float32)
    out = np.zeros((height, width), np.float32)
    rows = slice(max(top, 0), min(top + pixels.shape[0], height))
    columns = slice(max(left, 0), min(left + pixels.shape[1], width))
    out[rows, columns] = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return out


def size_of(window) -> tuple[int, int]:
    """(H, W) of a window, whose corners both belong to it."""
    (left, top), (right, bottom) = window
    return int(bottom) - int(top) + 1, int(right) - int(left) + 1


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Every error of a damaged file as one sentence."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, MemoryError) as error:
        raise ValueError(
            f"{path.name} cannot be read as EXR: it is damaged, incomplete or of a kind that is not supported "
            f"({str(error)[:200].rstrip('.')}). Save or copy it again."
        ) from error
