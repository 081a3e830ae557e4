"""Takes of any length, cut into windows of equal length: what every source but the stage is made of.

A take gives raw pictures in their own size: video and pose (H, W, 3) uint8, mask (H, W) uint8, depth (H, W) of 8 or 16
bits. A take with trouble has no windows; `problems` says why.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .check import Problem, inspect, same_sizes
from .pictures import cut_out, fit_depth, fit_mask, fit_picture, paint_grey, sixteen

NAMES = ("video", "depth", "pose", "mask")
SEARCHED_FIRST = 8  # frames over the take in which the person is looked for first
INSTRUCTIONS = {
    "depth": "make it in the host with Run Depth Anything 3, Normalize Depth and Save Image (Advanced) at 16 bits",
    "mask": "make it in the host with Run SAM3 Video Track, SAM3 Track to Mask, Convert Mask to Image and Save Video",
    "pose": "make it in the host with SDPose Keypoint Extractor, Draw Pose and Save Video",
}


class Take:
    """A recording: a name, a number of frames, and why it cannot be used, if so."""

    def __init__(self, name: str, count: int = 0, trouble: str = ""):
        self.name, self.count, self.trouble = name, count, trouble
        self.remarks: list[str] = []

    def picture(self, name: str, position: int) -> np.ndarray:
        """One raw picture of one frame."""
        raise NotImplementedError

    def read(self, positions: Iterable[int], names: Sequence[str] = NAMES) -> Iterator[dict[str, np.ndarray]]:
        """The raw pictures of frames in rising order."""
        for position in positions:
            yield {name: self.picture(name, position) for name in names}

    def still(self, name: str) -> np.ndarray | None:
        """The take's own plate or person, if it has one."""
        return None

    def caption(self) -> str:
        """The sentence that says what the take shows, if it has one."""
        return ""


class Windows:
    def __init__(self, takes: list[Take], size=256, frames: int = 8, interval: int = 1, stride: int | None = None):
        self.takes, self.size = takes, sides(size)
        self.frames, self.interval = whole("frames", frames), whole("interval", interval)
        self.stride = whole("stride", frames if stride is None else stride)
        self.span = (frames - 1) * interval + 1
        for take in takes:
            if not take.trouble and take.count < self.span:
                take.trouble = (
                    f"expected at least {self.span} frames ({frames} at an interval of {interval}), got {take.count}: "
                    "ask for fewer frames or a smaller interval"
                )
        self.places = [
            (take, start)
            for take in takes if not take.trouble
            for start in range(0, take.count - self.span + 1, self.stride)
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        take, start = self.places[index]
        positions = range(start, start + self.span, self.interval)
        try:
            raw = list(take.read(positions))
            same_sizes(raw)
            stills = {"plate": plate_of(take), "person": person_of(take, positions)}
        except (ValueError, OSError) as error:
            raise ValueError(f"clip {take.name}: {error}") from error
        return {
            "video": channels_first([fit_picture(frame["video"], self.size) for frame in raw]),
            "depth": torch.from_numpy(np.stack([fit_depth(sixteen(frame["depth"]), self.size) for frame in raw])),
            "pose": channels_first([fit_picture(frame["pose"], self.size) for frame in raw]),
            "mask": torch.from_numpy(np.stack([fit_mask(frame["mask"], self.size) for frame in raw])),
            **{name: channels_first([fit_picture(still, self.size)])[0] for name, still in stills.items()},
        }

    def caption(self, index: int) -> str:
        """What a window's take shows; empty where it has no text file."""
        return self.places[index][0].caption()

    def problems(self) -> Iterator[Problem]:
        """Reads every take once and yields its problems."""
        for take in self.takes:
            yield from inspect(take)

    def left_out(self) -> dict[str, str]:
        """The takes without windows, with the reason."""
        return {take.name: take.trouble for take in self.takes if take.trouble}


def text_of(file: Path) -> str:
    """The sentence in a text file; empty where there is none."""
    try:
        return " ".join(file.read_text(encoding="utf-8-sig").split()) if file.is_file() else ""
    except (UnicodeDecodeError, OSError) as error:
        raise ValueError(
            f"{file}: expected a sentence in UTF-8, got {error}: save it as plain text in UTF-8."
        ) from error


def channels_first(pictures: list[np.ndarray]) -> Tensor:
    """F pictures of (H, W, 3) as (F, 3, H, W)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def plate_of(take: Take) -> np.ndarray:
    """The scene without the person: the take's own, or its first frame with the person painted grey."""
    still = take.still("plate")
    if still is not None:
        return still
    first = next(iter(take.read([0], ("video", "mask"))))
    return paint_grey(first["video"], first["mask"])


def person_of(take: Take, window: Sequence[int]) -> np.ndarray:
    """The person on grey: the take's own picture, or cut out of a frame with the person, outside the window first."""
    still = take.still("person")
    if still is not None:
        return still
    for position in candidates(take.count, window):
        frame = next(iter(take.read([position], ("mask",))))
        if (frame["mask"] > 127).any():
            frame = next(iter(take.read([position], ("video", "mask"))))
            return cut_out(frame["video"], frame["mask"])
    raise ValueError("expected the person in some frame, got an empty mask in all: make the masks again")


def candidates(count: int, window: Sequence[int]) -> list[int]:
    """All frames: some spread over the take and outside the window first, the first frame of all at the head."""
    spread = [0, count - 1, *np.linspace(0, count - 1, SEARCHED_FIRST).round().astype(int).tolist()]
    inside = range(window[0], window[-1] + 1)
    order = dict.fromkeys([*spread, *range(count)])
    return sorted(order, key=lambda position: position in inside)  # sorting keeps the order of equals


def gaps(numbers: Iterable[int]) -> list[int]:
    """The numbers that are missing between the first and the last."""
    numbers = set(numbers)
    return [n for n in range(min(numbers), max(numbers)) if n not in numbers] if numbers else []


def few(numbers: Sequence[int]) -> str:
    return ", ".join(str(n) for n in numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")


def shortfall(frames: Iterable[int], others: dict[str, Iterable[int]]) -> str:
    """Why these frame numbers with their companions make no clip, or nothing."""
    frames = list(frames)
    if not frames:
        return "expected numbered frames, got none: check the folder"
    missing = gaps(frames)
    if missing:
        return f"expected frames without gaps, got none numbered {few(missing)}: export them, or make two clips of it"
    for name, numbers in others.items():
        numbers = set(numbers)
        missing = [n for n in frames if n not in numbers]
        if not numbers:
            return f"no {name}: {INSTRUCTIONS[name]}"
        if missing:
            return f"expected a {name} of every frame, got none of frame {few(missing)}: {INSTRUCTIONS[name]}"
    return ""


def whole(name: str, value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"data: {name} is a whole number of at least 1, not {value!r}.")
    return value


def sides(size) -> tuple[int, int]:
    """A side or [height, width] as (height, width)."""
    both = [size, size] if isinstance(size, int) else size
    if not isinstance(both, (list, tuple)) or len(both) != 2:
        raise ValueError(f"data: size is a side in pixels or [height, width], not {size!r}.")
    return whole("size", both[0]), whole("size", both[1])
