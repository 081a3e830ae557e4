"""Flow in files: .flo of the Middlebury benchmark, one field a file, and .npz with all fields of a clip.

Flow is in pixels, last axis (dx, dy). Letters: N frames, H and W pixels.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..saving import write_file, write_files
from .frames import Report, frame_by_frame, silent

MAGIC = np.float32(202021.25).tobytes()
UNKNOWN = 1e9  # and more: the benchmark's mark for pixels without a measurement
NAMES = ("to_picture", "forward", "backward")
NUMBERED = re.compile(r"(.*?)(\d+)(\.flo)", re.IGNORECASE)
FIRST = "_0000.flo"  # how the first file of a flow ends
SAVED = re.compile(r"(.*_\d{5,}_)_\d{4,}\.flo", re.IGNORECASE)  # a name that Save Flow gives


def flo_bytes(flow: Tensor) -> bytes:
    """(H, W, 2) as the content of a file."""
    height, width = flow.shape[:2]
    head = MAGIC + np.array([width, height], "<i4").tobytes()
    return head + flow.float().cpu().contiguous().numpy().astype("<f4").tobytes()


def write_flo(path: Path, flow: Tensor) -> Path:
    """(H, W, 2) to one file; written under another name first."""
    return write_file(path, lambda file: file.write(flo_bytes(flow)))


def write_series(first: Path, flow: Tensor, report: Report = silent) -> Path:
    """(N, H, W, 2) to a file for each frame, of which the first ends in _0000.flo."""
    files = [first.with_name(first.name.replace(FIRST, f"_{i:04}.flo")) for i in range(len(flow))]
    write_files(files, lambda i, file: file.write(flo_bytes(flow[i])), report)
    return first


def flo_size(path: Path) -> tuple[int, int]:
    """(H, W) of a file by its head, which must promise as many bytes as there are."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
    width, height = (int(side) for side in np.frombuffer(head[4:], "<i4")) if len(head) == 12 else (0, 0)
    if head[:4] != MAGIC or min(width, height) < 1 or size != 12 + 8 * width * height:
        raise ValueError(
            f"{path.name} ({size:,} bytes) is no .flo file of {max(width, 0)} x {max(height, 0)} pixels: it is "
            "damaged or of another format. Save it again."
        )
    return height, width


def read_flo(path: Path) -> tuple[Tensor, Tensor]:
    """(H, W, 2) flow and (H, W) where it is known."""
    height, width = flo_size(path)
    flow = torch.from_numpy(np.fromfile(path, "<f4", offset=12).reshape(height, width, 2))
    known = (flow.abs() <= UNKNOWN).all(-1)  # NaN is unknown too
    return flow * known[..., None] if known.all() else torch.where(known[..., None], flow, 0.0), known.float()


def read_series(files: list[Path], report: Report = silent) -> tuple[Tensor, ...]:
    """(N, H, W, 2) flow of several files and (N, H, W) where it is known."""
    return frame_by_frame(lambda i: read_flo(files[i]), len(files), report)


def numbered_series(path: Path, max_files: int = 0) -> list[Path]:
    """A numbered file and those that follow it without a gap, at most max_files (0: all)."""
    match, files = NUMBERED.fullmatch(path.name), [path]
    while match and (not max_files or len(files) < max_files):
        after = numbered(path, match, int(match[2]) + len(files))
        if not after.is_file():
            break
        files.append(after)
    return files


def numbered(path: Path, match: re.Match, number: int) -> Path:
    """The file of another number in the series of a file."""
    return path.with_name(f"{match[1]}{number:0{len(match[2])}}{match[3]}")


def check_whole(files: list[Path], max_files: int = 0) -> None:
    """Refuses a series that goes on behind a gap, and one of Save Flow without its first file."""
    path, match = files[0], NUMBERED.fullmatch(files[0].name)
    saved = SAVED.fullmatch(path.name)
    if saved and not path.with_name(saved[1] + FIRST).is_file():
        raise ValueError(
            f"{path.name} belongs to a flow whose first file, {saved[1] + FIRST}, is missing: Save Flow was stopped. Save it again."
        )
    if not match or (max_files and len(files) == max_files):
        return
    last = int(match[2]) + len(files) - 1
    others = [NUMBERED.fullmatch(other.name) for other in path.parent.iterdir()]
    later = [int(other[2]) for other in others if other and (other[1], other[3]) == (match[1], match[3])]
    later = [number for number in later if number > last]
    if later:
        raise ValueError(
            f"{numbered(path, match, last + 1).name} is missing, but the series goes on to number {max(later)}: restore it, or "
            f"set max_frames to {len(files)} to end in front of it."
        )


def write_npz(path: Path, flow: Mapping[str, Tensor], report: Report = silent) -> Path:
    """A whole DUET_FLOW, compressed frame by frame."""
    arrays = {name: value for name, value in flow.items() if isinstance(value, Tensor)}

    def write(file) -> None:
        done = 0
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, value in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    head = {"descr": "<f4", "fortran_order": False, "shape": tuple(value.shape)}
                    np.lib.format.write_array_header_1_0(member, head)
                    for frame in value:
                        member.write(frame.float().cpu().contiguous().numpy().astype("<f4").tobytes())
                        report(done := done + 1)

    return write_file(path, write)


class Header(NamedTuple):
    """What an array in an .npz is, by its head alone."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype


def npz_headers(path: Path) -> dict[str, Header]:
    """The arrays of a DUET_FLOW in a file; one whose head promises more than its member holds is refused."""
    wanted = [name + ending for name in NAMES for ending in ("", "_valid")]
    with readable(path), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        return {name: header_of(archive, f"{name}.npy") for name in wanted if f"{name}.npy" in names}


def header_of(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        header = read_header(member)
        held = archive.getinfo(name).file_size - member.tell()
    if header.dtype.kind not in "fiub" or prod(header.shape) * header.dtype.itemsize != held:
        raise ValueError("The head of an array does not fit its content.")
    return header


def read_header(member) -> Header:
    version = np.lib.format.read_magic(member)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    return Header(*read(member))


def npz_frames(headers: Mapping[str, Header]) -> int:
    """How many frames all arrays have together."""
    return sum(header.shape[0] for header in headers.values())


def read_npz(path: Path, report: Report = silent) -> dict[str, Tensor]:
    """A DUET_FLOW; other arrays are skipped, and only numbers are read."""
    headers, found, done = npz_headers(path), {}, 0
    check_shapes(path, headers)
    with readable(path), zipfile.ZipFile(path) as archive:
        for name, header in headers.items():
            if name.removesuffix("_valid") in headers:
                found[name] = read_array(archive, name, header, lambda count, before=done: report(before + count))
                done += header.shape[0]
    for name in [name for name in found if name in NAMES]:
        found.setdefault(f"{name}_valid", torch.ones(found[name].shape[:3]))
    return found


def read_array(archive: zipfile.ZipFile, name: str, header: Header, report: Report) -> Tensor:
    """(N, ...) as float32, read frame by frame."""
    out = torch.empty(header.shape)
    size = header.dtype.itemsize * prod(header.shape[1:])
    with archive.open(f"{name}.npy") as member:
        read_header(member)
        if header.by_columns:
            values = np.frombuffer(member.read(), header.dtype).reshape(header.shape, order="F")
            return torch.from_numpy(np.ascontiguousarray(values).astype(np.float32))
        for i in range(len(out)):
            frame = np.frombuffer(member.read(size), header.dtype).reshape(header.shape[1:])
            out[i] = torch.from_numpy(frame.astype(np.float32))
            report(i + 1)
    return out


def check_shapes(path: Path, headers: Mapping[str, Header]) -> None:
    """Refuses arrays that are no flow of frames."""
    for name in NAMES:
        if name not in headers:
            continue
        shape, valid = headers[name].shape, headers.get(f"{name}_valid")
        if len(shape) != 4 or shape[-1] != 2:
            raise ValueError(f"{path.name} holds {name} of shape {shape}, expected (frames, height, width, 2).")
        if valid is not None and valid.shape != shape[:3]:
            raise ValueError(f"{path.name} holds {name} and its validity of different sizes: save it again.")
    if not any(name in headers for name in NAMES):
        raise ValueError(f"{path.name} holds none of {', '.join(NAMES)}: choose a file that Save Flow wrote.")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Every error of a damaged file as one sentence."""
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be read as a flow: it is damaged or no .npz. Save it again.") from error
