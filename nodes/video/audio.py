"""A part of the audio of a VIDEO, read without its frames.

Letters: C channels, S samples.
"""

from collections.abc import Iterator
from fractions import Fraction

import torch
from comfy_api.latest import Input, InputImpl
from torch import Tensor

AHEAD = 0.5  # seconds that are decoded before the part, since a sample may depend on those before it


def audio_of(video: Input.Video, first_frame: int, frames: int) -> dict | None:
    """The AUDIO during some frames of a video; None where there is no audio."""
    rate = video.get_frame_rate()
    offset, duration = Fraction(first_frame) / rate, Fraction(frames) / rate
    if not isinstance(video, InputImpl.VideoFromFile):
        audio = video.get_components().audio
        found = audio and (cut(audio["waveform"], audio["sample_rate"], offset, duration), audio["sample_rate"])
    else:
        start, length = video.get_active_trim_window()
        duration = min(duration, max(Fraction(0), Fraction(length) - offset)) if length else duration
        found = read_audio(video.get_stream_source(), start, offset, duration)
    if not found or not found[0].shape[-1]:
        return None
    return {"waveform": found[0], "sample_rate": found[1]}


def cut(waveform: Tensor, rate: int, offset: Fraction, duration: Fraction) -> Tensor:
    """The samples (1, C, S) from an offset on, in seconds."""
    return waveform[..., round(offset * rate) : round((offset + duration) * rate)]


def read_audio(source: object, start: float, offset: Fraction, duration: Fraction) -> tuple[Tensor, int] | None:
    """(1, C, S) samples of a file and how many there are a second, from an offset behind the start of its frames on."""
    import av

    with av.open(source) as container:
        stream = next((one for one in reversed(container.streams.audio) if one.codec_context is not None), None)
        if stream is None:
            return None
        pictures = container.streams.video[0]
        begin = max(start, float((pictures.start_time or 0) * pictures.time_base)) + float(offset)
        if begin > AHEAD:
            container.seek(int((begin - AHEAD) * av.time_base))
        parts, rate = collect(decoded(container, stream), begin, float(duration))
    return (torch.cat(parts, -1)[None, :, : round(duration * rate)], rate) if parts else None


def decoded(container, stream) -> Iterator:
    """The audio frames of a file as planes of floats."""
    import av

    resampler = av.AudioResampler(format="fltp")
    for frame in container.decode(stream):
        yield from resampler.resample(frame)


def collect(frames: Iterator, begin: float, duration: float) -> tuple[list[Tensor], int]:
    """Samples (C, S) from `begin` seconds on, silence before the first, until there are enough; and how many a second.

    Only the first is placed by its time: times in some files are rounded, and the samples follow each other without gaps.
    """
    parts, rate, count = [], 0, 0
    for frame in frames:
        rate = frame.sample_rate
        samples = torch.from_numpy(frame.to_ndarray())
        if not parts:
            late = round((0.0 if frame.time is None else frame.time - begin) * rate)
            if -late >= samples.shape[-1]:
                continue
            samples = torch.cat((samples.new_zeros(len(samples), max(0, late)), samples[:, max(0, -late) :]), -1)
        parts.append(samples)
        count += samples.shape[-1]
        if count >= duration * rate + 1:
            break
    return parts, rate
