"""Files as cameras and phones write them, through the graphs that remove a person and that surround a generator.

Files are written and read by PyAV. They show a scene that is red in its upper left corner and blue in its lower right one.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

pytestmark = pytest.mark.long(seconds=60)

SAMPLE_RATE, RATE, FRAMES = 48000, 25, 10
PHONE = (0, 40, 73, 110, 180, 213, 245, 300, 333, 400)  # milliseconds at which a phone took each frame
QUARTER = {90: (0, 1, -1, 0), 270: (0, -1, 1, 0)}  # of the matrix in a file, by degrees clockwise
CASES = {
    "landscape": {},
    "portrait": {"size": (96, 64)},
    "turned right": {"turned": 90},
    "turned left": {"turned": 270},
    "10 bit HEVC": {"codec": "libx265", "pixels": "yuv420p10le"},
    "10 bit H.264": {"pixels": "yuv420p10le"},
    "variable frame rate": {"times": PHONE},
    "one frame": {"frames": 1},
    "cut": {"cut": 5},
    "alpha": {"codec": "ffv1", "pixels": "bgra", "suffix": "mkv"},
}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def pictures(frames, size, cut=None):
    """(N, H, W, 4) pictures of 16 bits: the scene with a green square that moves, another scene from `cut` on."""
    (height, width), out = size, []
    down, right = np.mgrid[0:height, 0:width]
    for index in range(frames):
        turned = cut is not None and index >= cut
        scene = np.stack(
            [0.35 + 0.1 * np.sin(right / 5 + c) + 0.1 * np.cos(down / (9 if turned else 4) - c) for c in range(3)], -1
        )
        scene = scene[::-1, ::-1] if turned else scene
        scene = np.concatenate((scene, np.ones((height, width, 1))), -1)
        scene[:12, :12, :3], scene[-12:, -12:, :3] = (0.9, 0.05, 0.05), (0.05, 0.05, 0.9)
        left = width // 3 + index
        scene[height // 3 : height // 3 + 16, left : left + 12, :3] = (0.1, 0.8, 0.1)
        out.append((65535 * scene.clip(0, 1)).astype(np.uint16))
    return np.stack(out)


def write(path, frames=FRAMES, size=(64, 96), codec="libx264", pixels="yuv420p", times=None, turned=0, cut=None):
    """A file with a rising tone, whose frames have their own times in milliseconds or are 1/25 s apart."""
    one = Fraction(1, 1000) if times else Fraction(1, RATE)
    length = (times[-1] + 40) / 1000 if times else frames / RATE
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE)
        (stream.height, stream.width), stream.pix_fmt = size, pixels
        stream.codec_context.time_base = stream.time_base = one
        voice = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        for index, picture in enumerate(pictures(frames, size, cut)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba64le").reformat(format=pixels)
            frame.pts, frame.time_base = (times[index] if times else index), one
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        samples = np.sin(np.linspace(0, 400, round(length * SAMPLE_RATE)), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack((samples, samples)), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        out.mux(voice.encode(frame))
        out.mux(voice.encode(None))
    if turned:
        turn(path, turned)


def turn(path, degrees):
    """Writes into an MP4 that its pictures are shown turned clockwise, as a phone does that is held upright."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (65536 * part for part in QUARTER[degrees])
    for place, value in enumerate((a, b, 0, c, d, 0, 0, 0, 1 << 30)):
        data[start + 4 * place : start + 4 * place + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def facts(path):
    """The frames of a file as (N, H, W, 3) in 0..1, their bits, the seconds from the first to the end, and those of its audio."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        bits = max(one.bits for one in stream.format.components)
        frames = list(container.decode(stream))
        known = stream.duration and stream.duration * stream.time_base
        seconds = float(known or len(frames) / stream.average_rate)  # Matroska has only that of all streams
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    shown = np.stack([frame.to_ndarray(format="rgb48le") for frame in frames]) / 65535
    return shown, bits, seconds, samples / SAMPLE_RATE


def person(width, height, black=False):
    """Nodes that make a mask of the green square in every frame."""
    inside = {"destination": ["black", 0], "source": ["white", 0], "x": width // 3 - 2, "y": height // 3 - 2}
    return {
        "black": node("SolidMask", value=0.0, width=width, height=height),
        "white": node("SolidMask", value=0.0 if black else 1.0, width=26, height=20),
        "mask": node("MaskComposite", **inside, operation="add"),
    }


def end(images, **others):
    return {
        "video": node(
            "DuetFramesToVideo",
            images=images,
            original_video=["load", 0],
            frame_rate=12.0,
            first_frame=0,
            bit_depth="auto",
        ),
        "save": node("SaveVideo", video=["video", 0], filename_prefix="duet/footage", format="auto", codec="auto"),
        **others,
    }


def removal(file, width, height, black=False):
    """The person removed."""
    split = {
        "depth_type": "near is white",
        "object_source": "object masks",
        "nearer_fraction": 0.4,
        "stability_margin": 0.15,
    }
    edit = {"remove_occluders": False, "insert_position": "by depth", "feather": 0.0, "object_depth": "each pixel"}
    return {
        "load": node("LoadVideo", file=file),
        **person(width, height, black),
        "layers": node(
            "DuetDecomposeLayers", images=["load", 0], person_mask=["mask", 0], min_hidden_percent=0.25, **split
        ),
        "scene": node("DuetFillScene", layers=["layers", 0], use_other_frames=True, grow_mask=1),
        "edit": node(
            "DuetCompositeLayers",
            layers=["scene", 0],
            remove_person=True,
            depth_tolerance=0.0,
            stands_on_ground=False,
            **edit,
        ),
        **end(["edit", 0]),
    }


def swap(file, width, height):
    """Around a stand-in for a generator, which gives the crop larger and darker."""
    crop = {"width": 0, "height": 0, "padding": 0.1, "smoothing_frames": 9, "max_frames": 0, "overlap_frames": 0}
    paste = {"feather": 4.0, "subject_feather": 3.0, "defringe": 2, "color_match_strength": 0.0, "smoothing_frames": 9}
    return {
        "load": node("LoadVideo", file=file),
        **person(width, height),
        "crop": node("DuetCropToSubject", images=["load", 0], subject_mask=["mask", 0], **crop),
        "larger": node("ImageScaleBy", image=["crop", 0], upscale_method="bilinear", scale_by=2.0),
        "back": node("ImageScaleBy", image=["darker", 0], upscale_method="area", scale_by=0.5),
        "black_picture": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "darker": node(
            "ImageBlend", image1=["larger", 0], image2=["black_picture", 0], blend_factor=0.1, blend_mode="normal"
        ),
        "matched": node(
            "DuetMatchColors", images=["back", 0], overlap_frames=0, strength=1.0, smoothing_frames=9,
            reference_images=["crop", 0],
        ),
        "pasted": node("DuetPasteCrop", original_images=["load", 0], images=["matched", 0], crop=["crop", 2], **paste),
        "joined": node("DuetJoinChunks", images=["pasted", 0], overlap_frames=0, color_match_strength=1.0, total_frames=0),
        **end(["joined", 0]),
    }  # fmt: skip


def written(server, case):
    """The name of the file of a case in the folder that Load Video reads from, and the size that it is shown in."""
    how = dict(CASES[case])
    path = server.log.parent / "input" / f"footage_{case.replace(' ', '_')}.{how.pop('suffix', 'mp4')}"
    write(path, **how)
    height, width = how.get("size", (64, 96))
    return path, ((height, width) if "turned" in how else (width, height))


def saved(server, result):
    assert result.ok, result.error or result.node_errors
    item = result.outputs["save"]["images"][0]
    return Path(server.output) / item["subfolder"] / item["filename"]


def check_file(before, after, case, size):
    """A written file has the frames, the bits, the length and the audio of its source, and stands upright."""
    (frames, bits, seconds, heard), (new, new_bits, new_seconds, new_heard) = facts(before), facts(after)
    assert new.shape == (len(frames), size[1], size[0], 3)
    assert new_bits == bits
    assert abs(new_seconds - seconds) < 0.003 and abs(new_heard - heard) < 0.03
    red, blue = {"turned right": ((0, -1), (-1, 0)), "turned left": ((-1, 0), (0, -1))}.get(case, ((0, 0), (-1, -1)))
    at = lambda corner: new[:, 4 if corner[0] == 0 else -4, 4 if corner[1] == 0 else -4]
    assert (at(red)[..., 0] > 0.7).all() and (at(red)[..., 2] < 0.3).all()
    assert (at(blue)[..., 2] > 0.7).all() and (at(blue)[..., 0] < 0.3).all()
    return frames, new


@pytest.mark.parametrize("case", CASES)
def test_a_person_is_removed_from_a_file(server, run, case):
    path, size = written(server, case)
    _, new = check_file(path, saved(server, run(removal(path.name, *size))), case, size)
    top, left = size[1] // 3, size[0] // 3
    green = new[:, top + 4 : top + 12, left + 2 : left + 10]
    if "turned" not in CASES[case]:  # there the square is elsewhere
        assert (green[..., 1] - green[..., 0]).mean() < 0.25, "the square is gone"


@pytest.mark.parametrize("case", CASES)
def test_a_generated_person_is_put_into_a_file(server, run, case):
    path, size = written(server, case)
    frames, new = check_file(path, saved(server, run(swap(path.name, *size))), case, size)
    if "turned" not in CASES[case]:
        assert np.abs(new - frames).mean() < 0.02, "the colors come back"


def test_nobody_in_a_file_leaves_it_as_it_is(server, run):
    path, size = written(server, "landscape")
    frames, new = check_file(path, saved(server, run(removal(path.name, *size, black=True))), "landscape", size)
    assert np.abs(new - frames).mean() < 0.02


def test_a_variable_frame_rate_is_said(server, run):
    """The mean rate and the length stay; frames come evenly, so that some are earlier or later than in the file."""
    for case, said in (("variable frame rate", True), ("landscape", False), ("10 bit HEVC", False)):
        path, size = written(server, case)
        before = len(server.log.read_text(encoding="utf-8", errors="replace"))
        saved(server, run(removal(path.name, *size, black=True)))
        log = server.log.read_text(encoding="utf-8", errors="replace")[before:]
        assert ("got a variable one: in the new video" in log) == said
