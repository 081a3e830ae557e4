"""Frames as a VIDEO whose file has exactly their frame rate.

ComfyUI rounds a frame rate to thousandths where it writes a file: 24000/1001 becomes 2997/125, and an editing program lists
the clip and its original with different rates.
"""

import io
from fractions import Fraction
from pathlib import Path

from comfy_api.latest import InputImpl


class ExactVideo(InputImpl.VideoFromComponents):
    """Frames, audio and a frame rate, as ComfyUI's nodes for videos take them."""

    def save_to(self, path, *values, **named) -> None:
        """Writes a file as ComfyUI does, and corrects the times of its frames where it rounded them."""
        check_even(*self.get_dimensions())
        rate = self.get_frame_rate()
        if (1000 * rate).denominator == 1:
            return super().save_to(path, *values, **named)
        rounded = io.BytesIO()
        super().save_to(rounded, *values, **named)
        rounded.seek(0)
        retime(rounded, path, rate)


def check_even(width: int, height: int) -> None:
    """Refuses sizes that the codecs of video files cannot store."""
    if width % 2 or height % 2:
        raise ValueError(
            f"Expected frames of even width and height for a video file, got {width} x {height}: put Resize Image/Mask with "
            "scale to multiple 2 in front of Frames to Video."
        )


def retime(source: io.BytesIO, target: str | Path | io.BytesIO, rate: Fraction) -> None:
    """Copies a video file of a constant frame rate, every frame as it is, with the times of another frame rate."""
    import av

    with av.open(source) as old:
        names = old.format.name.split(",")
        faststart = "" if isinstance(target, io.BytesIO) else "+faststart"
        options = {"movflags": f"use_metadata_tags{faststart}"} if "mp4" in names else {}
        with av.open(target, "w", format="mp4" if options else names[0], options=options) as new:
            new.metadata.update(old.metadata)
            copy_packets(old, new, rate)


def copy_packets(old, new, rate: Fraction) -> None:
    """Copies all streams; the frames of the first video follow each other at a frame rate."""
    streams = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in old.streams}
    pictures = old.streams.video[0]
    one = 1 / (pictures.average_rate * pictures.time_base)  # the time of a frame in the old file
    streams[pictures.index].time_base = 1 / rate
    for packet in (packet for packet in old.demux() if packet.dts is not None):
        if packet.stream == pictures:
            packet.pts, packet.dts, packet.duration = round(packet.pts / one), round(packet.dts / one), 1
            packet.time_base = 1 / rate
        packet.stream = streams[packet.stream.index]
        new.mux(packet)
