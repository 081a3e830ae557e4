"""Frames to Video: frame rate, audio, bit depth and frames of the original, read from the written file by PyAV."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from pack.nodes.inputs.video import reads_videos
from pack.nodes.video.audio import audio_of
from pack.nodes.video.frames import FramesToVideo, exact_rate

SAMPLE_RATE = 48000
RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30))
NODE = reads_videos(FramesToVideo)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def ramp(seconds, channels=2):
    """A audio whose samples say where they are."""
    return torch.linspace(-0.9, 0.9, round(seconds * SAMPLE_RATE)).expand(channels, -1).contiguous()


def write(path, frames, rate, *, bits=8, audio=None, codec="libx264", audio_codec="aac"):
    """A file by PyAV, with the times of its frames exact; audio is (C, S)."""
    pixels = "yuv420p10le" if bits == 10 else "yuv420p"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.time_base = 1 / rate
        layout = "mono" if audio is not None and len(audio) == 1 else "stereo"
        voice = None if audio is None else out.add_stream(audio_codec, rate=SAMPLE_RATE, layout=layout)
        for index in range(frames):
            picture = (rand(48, 64, 3, seed=index) * 65535).numpy().astype(np.uint16)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le").reformat(format=pixels)
            frame.pts, frame.time_base = index, 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice is not None:
            frame = av.AudioFrame.from_ndarray(audio.numpy(), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            for part in av.AudioResampler(format=voice.codec_context.format, layout=layout, rate=SAMPLE_RATE).resample(
                frame
            ):
                out.mux(voice.encode(part))
            out.mux(voice.encode(None))
    return InputImpl.VideoFromFile(str(path))


def facts(path):
    """What PyAV says of a file: rate, frames, their times, bits, and the samples of the audio."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
        bits = max(one.bits for one in stream.format.components)
        rate = stream.average_rate
    with av.open(path) as container:
        audio = [frame.to_ndarray() for frame in container.decode(audio=0)] if container.streams.audio else None
    samples = None if audio is None else sum(part.shape[-1] for part in audio)
    return rate, len(times), times, bits, samples


def made(images, original=None, **values):
    values = {"frame_rate": 24.0, "first_frame": 0, "bit_depth": "auto"} | values
    return NODE.execute(images=images, original_video=original, **values)[0]


# --- what a file keeps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("frames", [1, 2, 17])
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_written_file_is_like_the_original(tmp_path, rate, frames, bits, audio):
    source, target = tmp_path / "source.mp4", tmp_path / "target.mp4"
    original = write(source, frames, rate, bits=bits, audio=ramp(frames / rate) if audio else None)
    made(original, original).save_to(str(target))
    assert facts(str(target))[:4] == facts(str(source))[:4]
    assert facts(str(source))[:2] == (rate, frames)
    before, after = facts(str(source))[4], facts(str(target))[4]
    assert (before is None) == (after is None) == (not audio)
    if audio:  # a file counts its audio in thousandths of a second
        assert abs(after - before) <= SAMPLE_RATE // 1000 + 1


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(1000, 3)], ids=str)
def test_frames_are_the_same_bits_as_with_a_rounded_rate(tmp_path, rate):
    parts = Types.VideoComponents(images=rand(9, 48, 64, 3), frame_rate=rate, audio=None)
    rounded, exact = io.BytesIO(), io.BytesIO()
    InputImpl.VideoFromComponents(parts).save_to(rounded, metadata={"prompt": {"1": "a"}})
    original = InputImpl.VideoFromComponents(parts)
    made(parts.images, original).save_to(exact, metadata={"prompt": {"1": "a"}})
    pictures = []
    for file in (rounded, exact):
        file.seek(0)
        with av.open(file) as container:
            assert container.metadata["prompt"] == '{"1": "a"}'
            pictures.append([frame.to_ndarray() for frame in container.decode(video=0)])
    assert all(map(np.array_equal, *pictures)) and len(pictures[0]) == 9
    (tmp_path / "exact.mp4").write_bytes(exact.getvalue())
    assert facts(str(tmp_path / "exact.mp4"))[0] == rate


def test_a_trimmed_result_is_read_back(tmp_path):
    original = write(tmp_path / "clip.mp4", 17, RATES[0], audio=ramp(1))
    part = made(original, original).as_trimmed(2 / 24, 5 / 24)
    assert len(part.get_components().images) == 5 and part.get_frame_rate() == RATES[0]


@pytest.mark.parametrize(("bits", "chosen", "written"), [(8, "auto", 8), (10, "auto", 10), (10, "8", 8), (8, "10", 10)])
def test_the_bit_depth_can_be_chosen(tmp_path, bits, chosen, written):
    original = write(tmp_path / "clip.mp4", 2, Fraction(25), bits=bits)
    target = tmp_path / "target.mp4"
    video = made(original, original, bit_depth=chosen)
    video.save_to(str(target))
    assert video.get_bit_depth() == facts(str(target))[3] == written


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        (23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), (59.94, Fraction(60000, 1001)),
        (24.0, Fraction(24)), (25.0, Fraction(25)), (12.5, Fraction(25, 2)), (0.01, Fraction(1, 100)), (1.0, Fraction(1)),
        (1000.0, Fraction(1000)), (0.5, Fraction(1, 2)), (8.333, Fraction(8333, 1000)),
    ],
)  # fmt: skip
def test_a_typed_frame_rate_is_exact(typed, exact):
    assert exact_rate(typed) == exact
    assert made(rand(2, 8, 8, 3), frame_rate=typed).get_frame_rate() == exact


# --- audio -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_the_audio_is_that_which_the_host_reads(tmp_path, channels):
    original = write(tmp_path / "clip.mp4", 50, Fraction(25), audio=ramp(2, channels))
    theirs = original.get_components().audio["waveform"]
    ours = audio_of(original, 0, 50)
    assert ours["sample_rate"] == SAMPLE_RATE and ours["waveform"].shape == (1, channels, 2 * SAMPLE_RATE)
    assert torch.equal(ours["waveform"][..., : theirs.shape[-1]], theirs[..., : 2 * SAMPLE_RATE])


@pytest.mark.parametrize("start", [0.0, 0.4])
@pytest.mark.parametrize("first", [0, 7, 30])
@pytest.mark.parametrize("kind", [("mov", "pcm_s16le"), ("mkv", "pcm_s16le"), ("mp4", "aac")], ids="-".join)
def test_the_audio_of_a_part_begins_with_its_first_frame(tmp_path, kind, first, start):
    suffix, codec = kind
    original = write(tmp_path / f"clip.{suffix}", 50, Fraction(25), audio=ramp(2), audio_codec=codec)
    video = original.as_trimmed(start, 0.0, strict_duration=False)
    heard = audio_of(video, first, 8)["waveform"][0, 0]
    begin = round((start + first / 25) * SAMPLE_RATE)
    assert len(heard) == round(8 / 25 * SAMPLE_RATE)
    expected = ramp(2)[0, begin : begin + len(heard)]
    middle = slice(2000, -2000)
    slack = SAMPLE_RATE // 500 if suffix == "mkv" else 2  # Matroska counts in thousandths of a second
    step = 1.8 / (2 * SAMPLE_RATE)
    error = (heard[middle] - expected[middle]).median().abs()
    assert error < step * slack + (0.005 if codec == "aac" else 1e-4)


def test_the_audio_of_a_trimmed_video_ends_with_it(tmp_path):
    original = write(tmp_path / "clip.mov", 50, Fraction(25), audio=ramp(2), audio_codec="pcm_s16le")
    video = original.as_trimmed(0.4, 0.8)
    assert audio_of(video, 0, 40)["waveform"].shape[-1] == round(0.8 * SAMPLE_RATE)
    assert audio_of(video, 10, 40)["waveform"].shape[-1] == round(0.4 * SAMPLE_RATE)
    assert audio_of(video, 20, 40) is None


def test_a_clip_longer_than_its_original_keeps_the_audio_there_is(tmp_path):
    original = write(tmp_path / "clip.mov", 10, Fraction(25), audio=ramp(0.4), audio_codec="pcm_s16le")
    assert audio_of(original, 0, 25)["waveform"].shape[-1] == round(0.4 * SAMPLE_RATE)
    assert audio_of(original, 500, 25) is None


def test_the_audio_of_frames_is_cut_too():
    audio = {"waveform": ramp(2)[None], "sample_rate": SAMPLE_RATE}
    parts = Types.VideoComponents(images=rand(50, 8, 8, 3), audio=audio, frame_rate=Fraction(25))
    video = made(rand(10, 8, 8, 3), InputImpl.VideoFromComponents(parts), first_frame=5)
    heard = video.get_components().audio["waveform"]
    assert torch.equal(heard, audio["waveform"][..., 9600 : 9600 + 19200])


def test_a_video_without_audio_stays_silent(tmp_path):
    original = write(tmp_path / "clip.mp4", 3, Fraction(25))
    assert made(original, original).get_components().audio is None


def test_audio_that_begins_late_stays_in_step(tmp_path):
    path = tmp_path / "late.mov"
    write(tmp_path / "clip.mov", 50, Fraction(25), audio=ramp(1), audio_codec="pcm_s16le")
    with av.open(str(tmp_path / "clip.mov")) as old, av.open(str(path), "w") as new:
        streams = {one.index: new.add_stream_from_template(one) for one in old.streams}
        for packet in (one for one in old.demux() if one.dts is not None):
            if packet.stream.type == "audio":
                packet.pts, packet.dts = packet.pts + SAMPLE_RATE // 2, packet.dts + SAMPLE_RATE // 2
            packet.stream = streams[packet.stream.index]
            new.mux(packet)
    heard = audio_of(InputImpl.VideoFromFile(str(path)), 0, 50)["waveform"][0, 0]
    assert not heard[: SAMPLE_RATE // 2 - 100].any()
    assert (heard[SAMPLE_RATE // 2 :][: SAMPLE_RATE // 2] - ramp(1)[0, : SAMPLE_RATE // 2]).abs().max() < 1e-3


# --- depth beside, and what is refused -------------------------------------------------------------------------------


def test_depth_stands_to_the_right():
    images, depth = rand(3, 8, 12, 3), rand(3, 8, 12, 3, seed=1)
    video = made(images, depth=depth).get_components().images
    assert torch.equal(video, torch.cat((images, depth), 2))
    fitted = made(images, depth=torch.ones(3, 4, 4, 3)).get_components().images
    assert fitted.shape == (3, 8, 24, 3) and (fitted[:, :, 14:22] == 1).all() and not fitted[:, :, 22:].any()


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="images has 3, depth has 2: trim the longer ones"):
        made(rand(3, 8, 8, 3), depth=rand(2, 8, 8, 3))
    with pytest.raises(ValueError, match="even width and height for a video file, got 9 x 8: put Resize Image/Mask"):
        made(rand(3, 8, 9, 3)).save_to(str(tmp_path / "odd.mp4"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="^original_video: expected a video that can be read"):
        made(rand(3, 8, 8, 3), InputImpl.VideoFromFile(str(broken)))


def test_alpha_and_lights_are_left_out_of_a_file(tmp_path):
    made(3 * rand(2, 8, 8, 4) ** 9).save_to(str(tmp_path / "clip.mp4"))
    assert facts(str(tmp_path / "clip.mp4"))[:2] == (Fraction(24), 2)
