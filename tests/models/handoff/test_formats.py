"""Depth files against independent readers: OpenImageIO, PyAV and Pillow."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from pack.models.handoff import exr, png, video
from pack.models.handoff.channels import DEPTH_NAMES, find_depth, picture_channels, picture_of
from pack.models.handoff.names import COMPRESSIONS, FFV1, PRORES_422, PRORES_4444, Form
from pack.models.handoff.note import (
    DepthNote,
    checked_note,
    frame_rate_of,
    note_of_attributes,
    note_of_json,
    rational,
    sidecar_of,
)
from pack.models.handoff.opening import open_depth
from pack.models.handoff.saving import DepthClip, save_clip
from PIL import Image

HEIGHT, WIDTH = 38, 51  # odd on purpose


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).numpy()


def ramp():
    """Every grey evenly, as smooth depth has it."""
    return np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def read_oiio(path):
    """Channel names, types, pixels (H, W, C) as float and the metadata of each part of a file."""
    parts, source = [], oiio.ImageInput.open(str(path))
    part = 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        types = [str(kind) for kind in spec.channelformats] or [str(spec.format)] * spec.nchannels
        parts.append((list(spec.channelnames), types, source.read_image(part, 0, 0, spec.nchannels, "float"), spec))
        part += 1
    source.close()
    return parts


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "DWAA"])
@pytest.mark.parametrize("half", [False, True])
def test_openimageio_reads_what_was_written(tmp_path, half, compression):
    path = tmp_path / "x.exr"
    given = {
        "Z": 40 * noise(HEIGHT, WIDTH),
        "R": noise(HEIGHT, WIDTH, seed=1),
        "forward.u": noise(HEIGHT, WIDTH, seed=2) - 0.5,
    }
    note = DepthNote(
        "distance", "linear", 1.5, 40.0, "metres", field_of_view=50.0, frame_rate=23.976, software="Duet 1"
    )
    exr.write_frame(
        path, {"": given}, note.as_attributes() | {"workflow": '{"nodes": []}'}, exr.ExrSettings(half, compression)
    )
    ((names, types, pixels, spec),) = read_oiio(path)
    assert sorted(names) == sorted(given) and set(types) == {"half" if half else "float"}
    for name, plane in given.items():
        read = pixels[..., names.index(name)]
        if half:
            assert np.all(np.abs(read - plane) <= np.spacing(plane.astype(np.float16)).astype(np.float32) / 2)
        else:
            assert np.array_equal(read, plane)
    assert spec.getattribute("depthNear") == 1.5 and spec.getattribute("depthUnits") == "metres"
    assert spec.getattribute("depthType") == "distance" and spec.getattribute("workflow") == '{"nodes": []}'
    assert spec.getattribute("compression") == {"ZIP": "zip", "PIZ": "piz", "none": "none"}[compression]
    assert tuple(spec.getattribute("framesPerSecond")) == (24000, 1001) and spec.getattribute("Software") == "Duet 1"
    back = exr.read_channels(path, ["Z", "R"])
    assert set(back) == {"Z", "R"} and np.array_equal(back["Z"], pixels[..., names.index("Z")])
    head = exr.read_head(path)
    assert head.size == (HEIGHT, WIDTH) and sorted(head.names) == sorted(given)
    assert replace(note_of_attributes(head.attributes, "x"), frame_rate=23.976) == note


@pytest.mark.parametrize("stated", [object(), None, "fast", "nan", float("inf"), -24.0])
def test_a_frame_rate_that_is_no_number_counts_as_none(stated):
    assert frame_rate_of({"framesPerSecond": stated}) == frame_rate_of({}) == 0.0
    assert frame_rate_of({"framesPerSecond": "25"}) == 25.0


def test_parts_of_a_file_keep_their_names(tmp_path):
    path = tmp_path / "x.exr"
    parts = {
        "person": {"R": noise(4, 6), "A": noise(4, 6, seed=1)},
        "scene": {"R": noise(4, 6, seed=2), "Z": noise(4, 6, seed=3)},
    }
    exr.write_frame(path, parts, {}, exr.ExrSettings())
    read = read_oiio(path)
    assert [spec.getattribute("oiio:subimagename") for *_, spec in read] == ["person", "scene"]
    for (names, _, pixels, _), channels in zip(read, parts.values(), strict=True):
        assert all(np.array_equal(pixels[..., names.index(name)], plane) for name, plane in channels.items())
    assert sorted(exr.read_head(path).names) == ["A", "Z", "person.R", "scene.R"]
    assert np.array_equal(exr.read_channels(path, ["scene.R"])["scene.R"], parts["scene"]["R"])


def test_files_of_other_programs_are_read(tmp_path):
    """Written by OpenImageIO: a cropped data window, whole numbers and a layer's name."""
    path, z = tmp_path / "x.exr", noise(6, 8)
    spec = oiio.ImageSpec(8, 6, 2, "float")
    spec.channelnames, spec.x, spec.y = ("ViewLayer.Depth.Z", "ViewLayer.Combined.R"), 3, -2
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, 20, 10
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), spec)
    out.write_image(np.stack((z, z * 0), -1))
    out.close()
    head = exr.read_head(path)
    assert head.size == (10, 20) and find_depth(head.names) == "ViewLayer.Depth.Z"
    plane = exr.read_channels(path, ["ViewLayer.Depth.Z"])["ViewLayer.Depth.Z"]
    assert np.array_equal(plane[:4, 3:11], z[2:]) and plane.sum() == pytest.approx(z[2:].sum(), rel=1e-5)


@pytest.mark.parametrize("names, found", [
    (["R", "G", "B", "Z"], "Z"), (["A", "depth.Z", "R"], "depth.Z"), (["x.R", "x.Z"], "x.Z"), (["Y"], "Y"),
    (["B", "G", "R"], "R"), (["anything"], "anything"), (["Depth.V", "R"], "Depth.V"),
])  # fmt: skip
def test_the_depth_channel_is_found(names, found):
    assert find_depth(names) == found and DEPTH_NAMES[0] == "z"


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="expected one of R, Z, got 'depth'"):
        find_depth(["R", "Z"], "depth")
    with pytest.raises(ValueError, match="got a.u, a.v: set channel_name"):
        find_depth(["a.u", "a.v"])


def test_half_refuses_what_it_cannot_hold(tmp_path):
    exr.write_frame(tmp_path / "x.exr", {"": {"Z": np.full((2, 2), 65504.0)}}, {}, exr.ExrSettings(half=True))
    with pytest.raises(
        ValueError, match="Z: expected numbers up to 65504, .* got 65536: set depth_format to EXR float"
    ):
        exr.write_frame(tmp_path / "y.exr", {"": {"Z": np.full((2, 2), 65536.0)}}, {}, exr.ExrSettings(half=True))
    assert not (tmp_path / "y.exr").exists()


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_exr_is_refused(tmp_path, part):
    path = tmp_path / "x.exr"
    exr.write_frame(path, {"": {"Z": noise(200, 300)}}, {}, exr.ExrSettings())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ValueError, match="x.exr cannot be read as EXR: it is damaged, incomplete"):
        exr.read_head(path)
        exr.read_channels(path, ["Z"])


def test_pictures_are_stored_linear_and_premultiplied():
    picture = torch.from_numpy(noise(5, 7, 4)) * 1.2
    picture[0, 0, 3] = 0
    channels = picture_channels(picture)
    assert channels["A"].max() == 1 and channels["R"][0, 0] == 0
    grey = picture_channels(torch.full((1, 1, 3), 0.5))
    assert grey["G"].item() == pytest.approx(0.21404114, abs=1e-7) and grey["A"].item() == 1
    back = picture_of(channels)
    visible = picture[..., 3] > 0
    assert (back[..., :3] - picture[..., :3])[visible].abs().max() < 2e-6


def test_pillow_reads_sixteen_bits(tmp_path):
    path, grey = tmp_path / "x.png", ramp()
    with path.open("wb") as file:
        png.write_frame(file, grey, {"workflow": "{}"})
    with Image.open(path) as image:
        assert image.mode == "I;16" and image.text == {"workflow": "{}"}
        assert np.abs(np.asarray(image) / 65535 - grey).max() <= 0.5 / 65535 + 1e-9
    assert png.read_head(path) == ((HEIGHT, WIDTH), {"workflow": "{}"})
    assert np.abs(png.read_frame(path)[..., 0] - grey).max() <= 1 / 65535
    Image.fromarray((noise(3, 4, 3) * 255).astype(np.uint8)).save(path)
    assert np.array_equal(png.read_frame(path), np.asarray(Image.open(path)) / np.float32(255))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match="x.png cannot be read as PNG"):
        png.read_frame(path)


@pytest.mark.parametrize("video_format, step", [(FFV1, 0.5 / 65535), (PRORES_4444, 0.002), (PRORES_422, 0.002)])
def test_pyav_reads_the_video(tmp_path, video_format, step):
    """ProRes: the bound leaves room; 0.0010 and 0.0014 were measured on a ramp."""
    codec = video.CODECS[video_format]
    path, clip = tmp_path / f"x{codec.ending}", [ramp(), 1 - ramp(), ramp() * 0.3]
    with path.open("wb") as file:
        video.write_video(file, video_format, 3, clip.__getitem__, 23.976, {"workflow": '{"nodes": []}'})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tags = {name.lower(): value for name, value in container.metadata.items()}
        frames = list(container.decode(stream))
        assert len(frames) == 3 and stream.average_rate == Fraction(24000, 1001)
        assert tags["workflow"] == '{"nodes": []}' and (stream.height, stream.width) == (HEIGHT, WIDTH)
        bits = frames[0].format.components[0].bits
    for frame, grey in zip(frames, clip, strict=True):
        plane = frame.planes[0]
        values = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, :WIDTH] / 2.0 ** (bits - 8)
        read = values / (65535 / 256) if video_format == FFV1 else (values - 16) / 219
        assert np.abs(read - grey).max() <= step + 1e-6
    back = list(video.read_frames(path, 1, 2))
    assert len(back) == 2 and np.abs(back[0][..., 0] - clip[1]).max() <= step + 1e-6
    assert video.read_head(path)[:2] == ((HEIGHT, WIDTH), 3)


def test_eight_bit_video_of_other_programs_is_read(tmp_path):
    path, grey = tmp_path / "x.mp4", ramp()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=24, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = 38, 50, "yuv420p"
        rgb = (grey[:, :50, None].repeat(3, -1) * 255).round().astype(np.uint8)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    frames = list(video.read_frames(path, 0, 2))
    assert np.abs(frames[1][..., 0] - grey[:, :50]).max() < 0.008
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="x.mp4 cannot be read as video"):
        video.read_head(path)


@pytest.mark.parametrize("rate, fraction", [(24.0, (24, 1)), (23.976, (24000, 1001)), (29.97, (30000, 1001)), (12.5, (25, 2)), (0.25, (1, 4))])  # fmt: skip
def test_frame_rates_become_their_fractions(rate, fraction):
    assert rational(rate) == Fraction(*fraction)


def test_a_note_goes_to_json_and_back():
    note = DepthNote(
        "near is white", "inverse", 1.25, 40.0, "relative", "zero", 50.0, 24.0, 6, 4, 3, "PNG 16 bit", "", "Duet 1"
    )
    assert note_of_json(note.as_json(workflow="{}"), "x.json") == note
    for text, words in (
        ("{", "x.json cannot be read as a note"), ("[]", "expected a note on depth"), ('{"a": 1}', "expected a note on depth"),
        ('{"depth_type": "up"}', "expected depth_type to be near is white or"),
        ('{"depth_type": "distance", "near_depth": "1"}', "another kind of value as near_depth"),
        ('{"depth_type": "distance", "near_depth": NaN}', "another kind of value as near_depth"),
        ('{"depth_type": ["distance"]}', "expected depth_type to be"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            note_of_json(text, "x.json")
    assert checked_note({"depth_type": "distance", "later": 1}, "x") == DepthNote("distance")


@pytest.mark.parametrize("name, note", [("a_00001_.0001.exr", "a_00001_.json"), ("shot.1001.exr", "shot.json"), ("b_00002_.mkv", "b_00002_.json"), ("0001.png", "0001.json")])  # fmt: skip
def test_the_note_lies_beside_the_files(name, note):
    assert sidecar_of(Path(name)).name == note


def clip_of(frames, seed=0):
    depth = [5 * noise(6, 8, seed=seed + i) + 1 for i in range(frames)]
    return DepthClip(frames, depth.__getitem__, lambda i: {}), depth


def test_a_series_is_all_there_or_refused(tmp_path):
    clip, depth = clip_of(4)
    note = DepthNote("distance", "linear", 1.0, 6.0, width=8, height=6, frames=4)
    first = save_clip(tmp_path / "d_00001_.json", clip, Form("EXR float", "distance"), note, {})
    assert [path.name for path in sorted(tmp_path.glob("*.exr"))] == [f"d_00001_.000{i}.exr" for i in (1, 2, 3, 4)]
    file = open_depth(first)
    assert (file.frames, file.size, file.note, file.channel) == (4, (6, 8), note, "Z")
    assert all(np.array_equal(frame.depth.numpy(), plane) for frame, plane in zip(file, depth, strict=True))
    assert [len(list(open_depth(first, start, count))) for start, count in ((0, 2), (1, 0), (3, 9))] == [2, 3, 1]
    with pytest.raises(ValueError, match="start_frame: expected less than 4"):
        open_depth(first, 4)
    lost = tmp_path / "d_00001_.0003.exr"
    lost.rename(tmp_path / "kept")
    with pytest.raises(ValueError, match="Frame 3 of d_00001_.0001.exr is missing.*frame_count to 2"):
        open_depth(first)
    (tmp_path / "d_00001_.0004.exr").unlink()
    with pytest.raises(ValueError, match="names 4 frames, but of those from d_00001_.0001.exr on 2 are there"):
        open_depth(first)
    (tmp_path / "d_00001_.json").write_text("")
    with pytest.raises(ValueError, match="d_00001_.json is empty: Save Depth was stopped"):
        open_depth(first)
    (tmp_path / "d_00001_.json").unlink()
    exr.write_frame(lost, {"": {"Z": noise(3, 8)}}, {}, exr.ExrSettings())
    with pytest.raises(ValueError, match="d_00001_.0001.exr is 8 x 6 and d_00001_.0003.exr 8 x 3"):
        list(open_depth(first))


def test_nothing_stays_of_a_clip_that_fails(tmp_path):
    def depth_of(index):
        if index == 2:
            raise KeyboardInterrupt
        return noise(6, 8)

    for file_format in ("EXR half", "PNG 16 bit", FFV1, PRORES_422):
        with pytest.raises(KeyboardInterrupt):
            note = DepthNote("near is white", frame_rate=24.0)
            save_clip(
                tmp_path / "d.json", DepthClip(4, depth_of, lambda i: {}), Form(file_format, "near is white"), note, {}
            )
    assert not list(tmp_path.iterdir())
