"""Load Video, a node of the pack, Frames to Video and Save Video on the real server: what the file keeps of its source.

Both files are read by PyAV.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

SAMPLE_RATE = 48000
RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30))


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def write(path, frames, rate, bits=8, audio=False, size=(48, 64)):
    """A file of noise with the exact times of its frames, and with a rising tone."""
    draw, pixels = np.random.default_rng(0), "yuv420p10le" if bits == 10 else "yuv420p"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate)
        (stream.height, stream.width), stream.pix_fmt = size, pixels
        stream.codec_context.time_base = 1 / rate
        voice = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if audio else None
        for index in range(frames):
            picture = draw.integers(0, 65535, (*size, 3), dtype=np.uint16)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le").reformat(format=pixels)
            frame.pts, frame.time_base = index, 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice:
            samples = np.sin(np.linspace(0, 400, round(frames / rate * SAMPLE_RATE)), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack((samples, samples)), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = SAMPLE_RATE, 0
            out.mux(voice.encode(frame))
            out.mux(voice.encode(None))


def facts(path):
    """Frame rate, times of the frames, bits, size and samples of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
        bits = max(one.bits for one in stream.format.components)
        found = stream.average_rate, times, bits, (stream.height, stream.width)
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return *found, None
        return *found, sum(frame.samples for frame in container.decode(audio=0))


@pytest.fixture
def inputs(server):
    """The folder that Load Video reads from."""
    return server.log.parent / "input"


def saved(server, run, prompt):
    """The file that Save Video wrote."""
    result = run(prompt)
    assert result.ok, result.error or result.node_errors
    item = result.outputs["save"]["images"][0]
    return Path(server.output) / item["subfolder"] / item["filename"]


def prompt_of(file, images=("compare", 0), **values):
    values = {"frame_rate": 12.0, "first_frame": 0, "bit_depth": "auto", "original_video": ["load", 0]} | values
    layout = {"comparison": "wipe", "comparison.start_position": 0.5, "comparison.end_position": 0.5}
    both = {"images": ["load", 0], "other_images": ["load", 0], "first_label": "", "second_label": ""}
    return {
        "load": node("LoadVideo", file=file),
        "compare": node("DuetComparePair", **both, **layout, **{"comparison.wipe_direction": "left to right"}),
        "video": node("DuetFramesToVideo", images=list(images), **values),
        "save": node("SaveVideo", video=["video", 0], filename_prefix="duet/kept", format="auto", codec="auto"),
    }


@pytest.mark.parametrize("audio", [False, True], ids=["silent", "audio"])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("frames", [1, 2, 17])
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_rate_frames_bits_and_audio_are_those_of_the_source(server, run, inputs, rate, frames, bits, audio):
    source = inputs / f"kept_{rate.numerator}_{frames}_{bits}_{audio}.mp4"
    write(source, frames, rate, bits, audio)
    before, after = facts(source), facts(saved(server, run, prompt_of(source.name)))
    assert before[0] == rate and len(before[1]) == frames and before[2] == bits
    assert after[:4] == before[:4]
    assert (after[4] is None) == (before[4] is None) == (not audio)
    if audio:  # a file counts its audio in thousandths of a second
        assert abs(after[4] - before[4]) <= SAMPLE_RATE // 1000 + 1


def test_a_trimmed_video_goes_from_node_to_node(server, run, inputs):
    """Trim Video keeps its frames and its part of the audio through nodes that take VIDEO."""
    source = inputs / "kept_trimmed.mp4"
    write(source, 50, Fraction(25), audio=True)
    prompt = prompt_of(source.name)
    prompt["trim"] = node("Video Slice", video=["load", 0], start_time=0.4, duration=0.8, strict_duration=False)
    for inner in (prompt["compare"]["inputs"], prompt["video"]["inputs"]):
        inner |= {
            key: ["trim", 0] for key in ("images", "other_images", "original_video") if inner.get(key) == ["load", 0]
        }
    rate, times, _, _, samples = facts(saved(server, run, prompt))
    assert (rate, len(times)) == (Fraction(25), 20) and abs(samples - 0.8 * SAMPLE_RATE) < 1100


def test_a_single_picture_takes_no_video(run, inputs):
    """The server refuses the link before anything runs."""
    write(inputs / "kept_single.mp4", 2, Fraction(25))
    end = {"load": node("LoadVideo", file="kept_single.mp4"), "end": node("PreviewAny", source=["it", 0])}
    it = node("DuetEstimateFlow", images=["load", 0], still_image=["load", 0])
    errors = run(end | {"it": it}).node_errors["it"]["errors"]
    assert [(one["type"], one["extra_info"]["input_name"]) for one in errors] == [
        ("return_type_mismatch", "still_image")
    ]
    assert run(end | {"it": node("DuetEstimateFlow", images=["load", 0])}).ok


def test_a_broken_file_ends_in_a_sentence(run, inputs):
    (inputs / "kept_broken.mp4").write_bytes(b"no video" * 100)
    message = run(prompt_of("kept_broken.mp4")).error["exception_message"]
    assert message.startswith("images: expected a video that can be read, got InvalidDataError"), message


def test_odd_sizes_are_refused_before_a_file_is_written(server, run, inputs):
    write(inputs / "kept_odd.mp4", 2, Fraction(25))
    odd = node("ImageScale", image=["compare", 0], upscale_method="nearest-exact", width=63, height=48, crop="disabled")
    result = run(prompt_of("kept_odd.mp4", images=("odd", 0)) | {"odd": odd})
    assert result.error["node_id"] == "save"
    assert "expected frames of even width and height" in result.error["exception_message"].lower()
