"""Whether the frames of a video file follow each other evenly, by the times in it; no frame is decoded."""

from comfy_api.latest import Input, InputImpl

UNEVEN = 0.4  # of the time of a frame: rounding in a file moves frames by less


def uneven_warning(video: Input.Video) -> str | None:
    """A sentence on a file of a variable frame rate, whose frames come evenly in the new video."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    apart = most_apart(video.get_stream_source())
    if apart is None:
        return None
    return (
        f"original_video: expected an even frame rate, got a variable one: in the new video frames come up to {apart:.2f} s "
        "earlier or later than in the file, against its audio too. Convert the file to a constant frame rate first if that is visible."
    )


def most_apart(source: object) -> float | None:
    """The most seconds by which a frame of a file comes earlier or later than at an even rate; None where that is nothing."""
    import av

    with av.open(source) as container:
        stream = container.streams.video[0]
        times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        if len(times) < 3 or not stream.average_rate:
            return None
        one = 1 / float(stream.average_rate)
        seconds = [float((time - times[0]) * stream.time_base) for time in times]
    apart = max(abs(time - index * one) for index, time in enumerate(seconds))
    steps = [after - before for before, after in zip(seconds, seconds[1:], strict=False)]
    return apart if apart > UNEVEN * one and max(steps) > 1.5 * min(steps) else None
