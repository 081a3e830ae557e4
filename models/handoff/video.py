"""Depth as video: FFV1 in .mkv keeps every one of 65,536 greys, ProRes in .mov is what editors take.

Letters: H and W pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from .names import FFV1, PRORES_422, PRORES_4444
from .note import rational

LIMITED, FULL, BT709 = 1, 2, 1  # as FFmpeg numbers colour ranges and colour spaces
BLACK, WHITE = 16.0, 235.0  # of 255: the greys of a video whose range is limited


class Codec(NamedTuple):
    """How a video is encoded."""

    ending: str
    container: str
    codec: str
    pixels: str
    options: dict[str, str]


CODECS = {
    FFV1: Codec(".mkv", "matroska", "ffv1", "gray16le", {"level": "3", "slicecrc": "1"}),
    PRORES_4444: Codec(".mov", "mov", "prores_ks", "yuv444p10le", {"profile": "4", "vendor": "apl0"}),
    PRORES_422: Codec(".mov", "mov", "prores_ks", "yuv422p10le", {"profile": "3", "vendor": "apl0"}),
}


class VideoHead(NamedTuple):
    """What a video says of itself."""

    size: tuple[int, int]
    frames: int
    frame_rate: float
    texts: dict[str, str]


def write_video(
    file: BinaryIO,
    video_format: str,
    frames: int,
    frame_of: Callable[[int], np.ndarray],
    frame_rate: float,
    texts: Mapping[str, str],
    report: Callable[[int], None] = lambda done: None,
) -> None:
    """frame_of(i) is the grey (H, W) in 0..1 of frame i; one frame is held at a time."""
    import av

    codec, disk = CODECS[video_format], Disk(file)
    options = {"movflags": "use_metadata_tags"} if codec.container == "mov" else {}
    try:
        with av.open(disk, "w", format=codec.container, container_options=options) as container:
            container.metadata.update(texts)
            stream = container.add_stream(codec.codec, rate=rational(frame_rate))
            for index in range(frames):
                grey = np.clip(frame_of(index), 0, 1)
                if index == 0:
                    stream.height, stream.width = grey.shape
                    stream.pix_fmt, stream.options = codec.pixels, codec.options
                frame = grey_frame(grey, codec.pixels)
                frame.pts = index
                container.mux(stream.encode(frame))
                report(index + 1)
            container.mux(stream.encode())
    finally:
        if disk.error:  # FFmpeg's own error says nothing of it
            raise disk.error


class Disk:
    """A file that keeps the error of the disk for whoever writes through FFmpeg."""

    def __init__(self, file: BinaryIO):
        self.file, self.error = file, None
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise


def grey_frame(grey: np.ndarray, pixels: str):
    """(H, W) in 0..1 as a frame of video."""
    import av

    if pixels == "gray16le":
        return av.VideoFrame.from_ndarray((grey.astype(np.float64) * 65535).round().astype(np.uint16), format=pixels)
    frame = av.VideoFrame(grey.shape[1], grey.shape[0], pixels)
    frame.color_range, frame.colorspace = LIMITED, BT709
    for index, plane in enumerate(frame.planes):
        values = np.frombuffer(plane, np.uint16).reshape(plane.height, plane.line_size // 2)
        values[:, : plane.width] = 512 if index else (4 * (BLACK + (WHITE - BLACK) * grey)).round()
    return frame


def read_head(path: Path) -> VideoHead:
    """Size, count of frames, frame rate and texts; no frame is decoded."""
    import av

    with readable(path), av.open(str(path)) as container:
        stream = container.streams.video[0]
        size, rate = (stream.height, stream.width), float(stream.average_rate or 0)
        texts = {name.lower(): text for name, text in container.metadata.items()}
        frames = sum(packet.size > 0 for packet in container.demux(stream))
        return VideoHead(size, frames, rate, texts)


def read_frames(path: Path, start: int, count: int) -> Iterator[np.ndarray]:
    """(H, W, 1 or 3) in 0..1 of `count` frames from `start`."""
    import av

    with readable(path), av.open(str(path)) as container:
        stream, found = container.streams.video[0], 0
        for index, frame in enumerate(container.decode(stream)):
            if index < start:
                continue
            yield pixels_of(frame)
            found += 1
            if found == count:
                return
        raise ValueError(f"frame {start + found} is missing")


def pixels_of(frame) -> np.ndarray:
    """(H, W, 1) brightness of a frame whose first plane is that, else (H, W, 3) colours."""
    name, bits = frame.format.name, frame.format.components[0].bits
    if not name.startswith(("gray", "yuv")) or name.startswith("grayf") or name.endswith("be"):
        return frame.to_ndarray(format="rgb48le").astype(np.float32) / 65535
    plane = frame.planes[0]
    values = np.frombuffer(plane, np.uint16 if bits > 8 else np.uint8)
    values = values.reshape(plane.height, -1)[:, : frame.width].astype(np.float32)
    full = frame.color_range == FULL or (frame.color_range != LIMITED and name.startswith(("gray", "yuvj")))
    grey = values / ((1 << bits) - 1) if full else (values / (1 << (bits - 8)) - BLACK) / (WHITE - BLACK)
    return np.clip(grey, 0, 1)[..., None]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Every error of a damaged video as one sentence."""
    try:
        yield
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"{path.name} cannot be read as video: it is damaged, incomplete or has no pictures "
            f"({str(error)[:200].rstrip('.')}). Save or copy it again."
        ) from error
