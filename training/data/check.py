"""Whether clips can be trained on: reads each once and reports its problems."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SHAPES = {  # letters that must agree, as in the contract of this package
    "video": ("F3HW", torch.uint8), "depth": ("FHW", torch.uint16), "pose": ("F3HW", torch.uint8),
    "mask": ("FHW", torch.uint8), "plate": ("3HW", torch.uint8), "person": ("3HW", torch.uint8),
}  # fmt: skip
CONSTANT = "expected depth that differs between pixels, got one value in all frames: make the depth again"
EMPTY = (
    "expected the person in the masks, got no pixel above 127 of 255 in all frames (the largest is {}): make them again"
)
EIGHT_BITS = "the depth has 8 bits, only 256 steps: Save Image (Advanced) of the host writes 16"


class Problem(NamedTuple):
    name: str  # of the clip
    reason: str
    fatal: bool = True  # False for a warning


def report(source, print_line: Callable[[str], None]) -> int:
    """Names the clips of a source that cannot be used; 0 when all can, 1 otherwise."""
    found, bad = getattr(source, "problems", None), set()
    for problem in found() if found else read_all(source):
        print_line(f"{problem.name}: {'' if problem.fatal else 'warning: '}{problem.reason}")
        bad |= {problem.name} if problem.fatal else set()
    takes = getattr(source, "takes", None)
    count = len(source if takes is None else takes)
    windows = "" if takes is None else f", {len(source)} windows of {source.frames} frames"
    print_line(f"{count} clips{windows}: {count - len(bad)} usable, {len(bad)} not.")
    return int(bool(bad) or not len(source))


def read_all(source) -> Iterator[Problem]:
    """Checks every clip of any source against the contract."""
    for index in range(len(source)):
        try:
            reason = fault(source[index])
        except (ValueError, OSError, RuntimeError) as error:
            reason = str(error)
        if reason:
            yield Problem(f"clip {index}", reason)


def fault(clip: dict[str, Tensor]) -> str:
    """Why a clip cannot be trained on, or nothing."""
    reason = misfit(clip)
    if reason:
        return reason
    depth = clip["depth"].to(torch.int32)
    if depth.min() == depth.max():
        return CONSTANT
    return "" if (clip["mask"] > 127).any() else EMPTY.format(int(clip["mask"].max()))


def misfit(clip: dict[str, Tensor], optional: tuple[str, ...] = ()) -> str:
    """How a clip breaks the contract of dtypes and shapes, or nothing."""
    sizes: dict[str, int] = {"3": 3}
    for name, (letters, dtype) in SHAPES.items():
        value = clip.get(name)
        if value is None and name in optional:
            continue
        if value is None:
            return f"expected {', '.join(SHAPES)}, got no {name}"
        if value.is_floating_point() and not torch.isfinite(value).all():
            return f"expected numbers in {name}, got NaN or infinity: make it again"
        shape = tuple(value.shape)
        fits = len(shape) == len(letters) and all(
            sizes.setdefault(letter, side) == side for letter, side in zip(letters, shape, strict=True)
        )
        if value.dtype != dtype or not fits:
            expected = ", ".join(str(sizes.get(letter, letter)) for letter in letters)
            return f"expected {name} as ({expected}) {dtype}, got {shape} {value.dtype}: sizes and types must agree"
    return ""


def inspect(take) -> Iterator[Problem]:
    """Reads a take of windows.py once, frame by frame."""
    if take.trouble:
        yield Problem(take.name, take.trouble)
        return
    try:
        stats = measure_take(take)
    except (ValueError, OSError) as error:
        yield Problem(take.name, str(error))
        return
    for remark in [*take.remarks, *([EIGHT_BITS] if stats["bits"] == 8 else [])]:
        yield Problem(take.name, remark, fatal=False)
    if stats["low"] == stats["high"]:
        yield Problem(take.name, CONSTANT)
    if stats["mask"] <= 127:
        yield Problem(take.name, EMPTY.format(stats["mask"]))


def measure_take(take) -> dict[str, int]:
    """The range and bits of the depth and the largest value of the masks; refuses pictures of several sizes."""
    stats, first = {"low": 65535, "high": 0, "bits": 16, "mask": 0}, None
    for frame in take.read(range(take.count)):
        first = first or {"first video": frame["video"]}
        same_sizes([first, frame])
        depth = frame["depth"]
        stats["bits"] = min(stats["bits"], 8 * depth.dtype.itemsize)
        stats["low"], stats["high"] = min(stats["low"], int(depth.min())), max(stats["high"], int(depth.max()))
        stats["mask"] = max(stats["mask"], int(frame["mask"].max()))
    plate = take.still("plate")
    same_sizes([first] if plate is None else [first, {"plate": plate}])
    take.still("person")
    return stats


def same_sizes(frames: list[dict[str, np.ndarray]]) -> None:
    """Refuses pictures of several sizes."""
    found = {picture.shape[:2]: name for frame in frames for name, picture in frame.items()}
    if len(found) > 1:
        listed = ", ".join(f"{name} {width}x{height}" for (height, width), name in found.items())
        raise ValueError(f"sizes differ: expected one size, got {listed}: write all pictures in the size of the video")
