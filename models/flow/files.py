"""Flow in files: .flo of the Middlebury benchmark, one field a file, and .npz with all fields of a clip.

Flow is in pixels, last axis (dx, dy). Letters: N frames, H and W pixels.
"""

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

MAGIC = np.float32(202021.25).tobytes()
UNKNOWN = 1e9  # and more: the benchmark's mark for pixels without a measurement
NAMES = ("to_picture", "forward", "backward")
NUMBERED = re.compile(r"(.*?)(\d+)(\.flo)", re.IGNORECASE)


def write_flo(path: Path, flow: Tensor) -> Path:
    """(H, W, 2) to one file; written under another name first."""
    height, width = flow.shape[:2]
    head = MAGIC + np.array([width, height], "<i4").tobytes()
    return write_safely(
        path, lambda file: file.write(head + flow.float().cpu().contiguous().numpy().astype("<f4").tobytes())
    )


def read_flo(path: Path) -> tuple[Tensor, Tensor]:
    """(H, W, 2) flow and (H, W) where it is known."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        width, height = (int(side) for side in np.frombuffer(head[4:], "<i4")) if len(head) == 12 else (0, 0)
        if head[:4] != MAGIC or min(width, height) < 1 or size != 12 + 8 * width * height:
            raise ValueError(
                f"{path.name} ({size:,} bytes) is no .flo file of {max(width, 0)} x {max(height, 0)} pixels: it is "
                "damaged or of another format. Save it again."
            )
        flow = torch.from_numpy(np.fromfile(file, "<f4").reshape(height, width, 2))
    known = (flow.abs() <= UNKNOWN).all(-1)  # NaN is unknown too
    return flow * known[..., None] if known.all() else torch.where(known[..., None], flow, 0.0), known.float()


def numbered_series(path: Path, max_files: int = 0) -> list[Path]:
    """A numbered file and those that follow it without a gap, at most max_files (0: all)."""
    match, files = NUMBERED.fullmatch(path.name), [path]
    while match and (not max_files or len(files) < max_files):
        name, number, ending = match.groups()
        after = path.with_name(f"{name}{int(number) + len(files):0{len(number)}}{ending}")
        if not after.is_file():
            break
        files.append(after)
    return files


def write_npz(path: Path, flow: Mapping[str, Tensor]) -> Path:
    """A whole DUET_FLOW."""
    arrays = {name: value.float().cpu().numpy() for name, value in flow.items() if isinstance(value, Tensor)}
    return write_safely(path, lambda file: np.savez_compressed(file, **arrays))


def read_npz(path: Path) -> dict[str, Tensor]:
    """A DUET_FLOW; other arrays are skipped, and only numbers are read."""
    wanted = [name + ending for name in NAMES for ending in ("", "_valid")]
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: torch.from_numpy(file[name]).float() for name in wanted if name in file.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read as a flow: it is damaged or no .npz. Save it again.") from error
    for name in NAMES:
        shape = found[name].shape if name in found else None
        if shape is not None and (len(shape) != 4 or shape[-1] != 2):
            raise ValueError(f"{path.name} holds {name} of shape {tuple(shape)}, expected (frames, height, width, 2).")
        if shape is not None and found.setdefault(f"{name}_valid", torch.ones(shape[:3])).shape != shape[:3]:
            raise ValueError(f"{path.name} holds {name} and its validity of different sizes: save it again.")
    if not any(name in found for name in NAMES):
        raise ValueError(f"{path.name} holds none of {', '.join(NAMES)}: choose a file that Save Flow wrote.")
    return {name: value for name, value in found.items() if name.removesuffix("_valid") in found}


def write_safely(path: Path, fill) -> Path:
    """Write under another name first, so that no file is ever incomplete."""
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with unfinished.open("wb") as file:
            fill(file)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
