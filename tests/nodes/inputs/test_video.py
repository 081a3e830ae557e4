"""A VIDEO as the input of a node: its frames as the host reads them, all of them, and a sentence where it cannot be read."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types, io
from pack.nodes.inputs import video as reading
from pack.nodes.inputs.video import clip_input, frames_of, reads_videos, with_frames


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def write(path, frames, codec, pixels, array_format, rate=25):
    """A file of numpy frames by PyAV."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=array_format).reformat(format=pixels)))
        out.mux(stream.encode(None))
    return InputImpl.VideoFromFile(str(path))


def bytes_of(frames, height=32, width=64, seed=0):
    return list((255 * rand(frames, height, width, 3, seed=seed)).byte().numpy())


@pytest.fixture
def clip(tmp_path):
    """12 lossless frames, each of one grey, 25 a second, with a key frame at the start alone."""
    greys = [np.full((32, 64, 3), 20 * index, np.uint8) for index in range(12)]
    return write(tmp_path / "greys.mkv", greys, "ffv1", "bgr0", "rgb24")


# --- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 17])
@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_every_frame_is_there_and_as_the_host_reads_it(tmp_path, codec, frames):
    suffix, pixels = ("mp4", "yuv420p") if codec == "libx264" else ("mkv", "bgr0")
    video = write(tmp_path / f"clip.{suffix}", bytes_of(frames), codec, pixels, "rgb24")
    assert frames_of(video, "images").shape == (frames, 32, 64, 3)
    assert torch.equal(frames_of(video, "images"), video.get_components().images)


def test_10_and_16_bits_stay(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 32).astype(np.uint16).reshape(32, 64)
    ramp = np.repeat(ramp[..., None], 3, 2)
    sixteen = frames_of(write(tmp_path / "sixteen.mkv", [ramp], "ffv1", "gbrp16le", "rgb48le"), "images")
    assert (
        sixteen[0] - torch.from_numpy(ramp.astype(np.float32)) / 65535
    ).abs().max() < 2**-13  # the host reads about 14 bits
    ten = write(tmp_path / "ten.mkv", [ramp], "ffv1", "yuv444p10le", "rgb48le")
    assert ten.get_bit_depth() == 10 and len(frames_of(ten, "images")[0, ..., 0].unique()) > 800


def test_alpha_stays(tmp_path):
    rgba = (255 * rand(3, 32, 64, 4)).byte().numpy()
    frames = frames_of(write(tmp_path / "alpha.mkv", list(rgba), "ffv1", "bgra", "rgba"), "images")
    assert frames.shape == (3, 32, 64, 4)
    error = (frames - torch.from_numpy(rgba).float() / 255).abs() * 255
    assert error[..., 3].max() < 0.2 and error.max() < 2  # the host takes colours with alpha through YUV


@pytest.mark.parametrize(
    ("start", "duration", "first", "count"),
    [(0.0, 0.0, 0, 12), (0.2, 0.0, 5, 7), (0.2, 0.16, 5, 4), (0.0, 0.04, 0, 1), (-0.12, 0.0, 9, 3)],
)
def test_a_trimmed_video_has_the_frames_of_its_part(clip, start, duration, first, count):
    frames = frames_of(clip.as_trimmed(start, duration, strict_duration=False), "images")
    assert (frames[:, 0, 0, 0] * 255 / 20).round().tolist() == list(range(first, first + count))


def test_a_video_of_frames_is_not_copied():
    images = rand(3, 8, 8, 3)
    video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, frame_rate=Fraction(25)))
    assert frames_of(video, "images").data_ptr() == images.data_ptr()


# --- where a video is read -------------------------------------------------------------------------------------------


def test_a_video_is_read_where_an_input_takes_frames_too(clip):
    whole = io.Video.Input("original_video")
    option = io.DynamicCombo.Input("mode", options=[io.DynamicCombo.Option("two", [clip_input("other_images")])])
    inputs = [clip_input("images"), whole, option, io.Int.Input("count")]
    mode = {"mode": "two", "other_images": clip}
    found = with_frames(inputs, {"images": [clip, clip], "original_video": clip, "mode": mode, "count": 3})
    assert [one.shape[0] for one in found["images"]] == [12, 12]
    assert found["original_video"] is clip and found["count"] == 3
    assert found["mode"]["mode"] == "two" and found["mode"]["other_images"].shape[0] == 12
    assert mode["other_images"] is clip, "what the host holds was changed"


def test_an_input_of_nothing_stays_so(clip):
    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            inputs = [clip_input("images"), clip_input("depth", optional=True)]
            return io.Schema(node_id="Node", inputs=inputs, outputs=[io.Int.Output()])

        @classmethod
        def execute(cls, images, depth=None):
            return io.NodeOutput(len(images), depth)

    node = reads_videos(Node)
    assert node.execute(images=clip).result == (12, None)
    assert node.execute(rand(2, 4, 4, 3), depth=None).result == (2, None)
    assert Node.GET_SCHEMA().inputs[0].get_io_type() == "IMAGE,VIDEO"


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_a_huge_video_is_refused_before_it_is_read(clip, monkeypatch):
    def decode(self):
        raise AssertionError("the video was read")

    monkeypatch.setattr(InputImpl.VideoFromFile, "get_components", decode)
    monkeypatch.setattr("pack.nodes.host.memory.free_memory", lambda: 1000)
    for video, frames in ((clip, 12), (clip.as_trimmed(0.2, 0.0), 7)):
        with pytest.raises(
            ValueError, match=f"depth: reading a video with {frames} frames of 64 x 32 needs about .*: put Trim Video"
        ):
            frames_of(video, "depth")
    few = InputImpl.VideoFromComponents(Types.VideoComponents(images=rand(1, 9, 9, 3), frame_rate=Fraction(25)))
    assert len(frames_of(few, "images")) == 1


@pytest.mark.parametrize("kind", ["text", "cut", "empty", "missing", "sound"])
def test_a_file_that_is_no_video_is_refused_in_a_sentence(tmp_path, kind):
    path = tmp_path / "clip.mp4"
    write(path, bytes_of(9), "libx264", "yuv420p", "rgb24")
    if kind == "sound":
        write_sound(path)
    content = {"text": b"not a video", "cut": path.read_bytes()[: path.stat().st_size // 3], "empty": b""}
    if kind in content:
        path.write_bytes(content[kind])
    if kind == "missing":
        path.unlink()
    with pytest.raises(
        ValueError, match=r"^images: expected a video that can be read, got .*: check that the file plays"
    ):
        frames_of(InputImpl.VideoFromFile(str(path)), "images")


def write_sound(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_video_without_frames_is_refused(clip):
    with pytest.raises(ValueError, match="^depth: expected a video with at least one frame, got none: check the file"):
        frames_of(clip.as_trimmed(9.0, 0.0, strict_duration=False), "depth")
    none = InputImpl.VideoFromComponents(Types.VideoComponents(images=rand(0, 8, 8, 3), frame_rate=Fraction(25)))
    with pytest.raises(ValueError, match="^images: expected a video with at least one frame, got none"):
        frames_of(none, "images")


def test_frames_that_a_damaged_file_lost_are_named(tmp_path, caplog):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuvj420p"
        for frame in bytes_of(9):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")))
        out.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    frames = frames_of(InputImpl.VideoFromFile(str(path)), "images")
    assert 0 < len(frames) < 9
    assert (
        f"images: the file names 9 frames, but only {len(frames)} can be read: it is damaged or cut off." in caplog.text
    )


def test_a_cancelled_run_is_not_called_a_broken_file():
    class Cancelled(Exception):
        pass

    with pytest.raises(Cancelled), reading.broken_video("images"):
        raise Cancelled
