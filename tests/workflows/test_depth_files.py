"""Depth through the real server: saved, loaded, and read from its folder by an independent reader."""

import json

import numpy as np
import OpenImageIO as oiio
import pytest

pytestmark = pytest.mark.long(seconds=30)

STAGE = {
    "seed": 1, "width": 64, "height": 64, "frames": 3, "frame_rate": 12.0, "action": "wave", "character_seed": -1, "motion_seed": -1,
    "room_seed": -1, "object_count": 0, "camera": "still", "style": "natural", "smooth_edges": True,
}  # fmt: skip
SAVE = {
    "depth": ["2", 1], "depth_type": "distance", "field_of_view": 0.0, "filename_prefix": "take/depth", "program": "Nuke",
    "frame_rate": ["1", 4], "unknown_depth": "farthest", "images": ["1", 0], "flow": ["2", 13], "object_masks": ["2", 4],
}  # fmt: skip
LOAD = {
    "depth_file": ["3", 0],
    "depth_type": "auto",
    "output_depth_type": "distance",
    "start_frame": 0,
    "frame_count": 0,
    "channel_name": "",
}


def graph(save=(), load=(), again="take/again"):
    node = lambda kind, **inputs: {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}
    return {
        "1": node("DuetRenderTestVideo", **STAGE),
        "2": node("DuetTestVideoTruth", test_video=["1", 1]),
        "3": node("DuetSaveDepth", **SAVE | dict(save)),
        "4": node("DuetLoadDepth", **LOAD | dict(load)),
        "5": node("PreviewAny", source=["4", 9]),
        "6": node("DuetSaveDepth", **SAVE | {"depth": ["4", 0], "images": ["4", 1], "flow": ["4", 2], "object_masks": ["4", 3], "filename_prefix": again}),
    }  # fmt: skip


def read(path):
    source = oiio.ImageInput.open(str(path))
    names, pixels, spec = list(source.spec().channelnames), source.read_image("float"), source.spec()
    source.close()
    return {name: pixels[..., index] for index, name in enumerate(names)}, spec


def test_what_was_loaded_is_what_was_saved(run, server):
    """Saved, loaded and saved again: every channel of both files is equal."""
    result = run(graph(save={"filename_prefix": "kept/depth"}, again="kept/again"))
    assert result.ok, (result.error, result.node_errors)
    assert "3 frames of 64 x 64" in result.outputs["5"]["text"][0]
    folder = server.output / "kept"
    for frame in range(1, 4):
        first, spec = read(folder / f"depth_00001_.{frame:04}.exr")
        again, _ = read(folder / f"again_00001_.{frame:04}.exr")
        assert set(first) == set(again) >= {"R", "A", "depth.Z", "forward.u", "backward.v", "object.id"}
        for name, plane in first.items():
            assert np.allclose(plane, again[name], atol=1e-6 if name in "RGBA" else 0), name
        assert first["depth.Z"].min() > 0.5 and first["object.id"].max() == 1
    assert json.loads(spec.getattribute("prompt"))["3"]["class_type"] == "DuetSaveDepth"
    assert tuple(spec.getattribute("framesPerSecond")) == (12, 1)


def test_a_name_that_leads_out_is_refused_by_the_server(run):
    for name in ("../../etc/passwd.exr", "/etc/passwd", "x\0.exr [output]"):
        result = run(graph(load={"depth_file": name}))
        assert not result.ok and "Found no file" in json.dumps(result.node_errors), name
    result = run(graph(load={"start_frame": -1}))
    assert not result.ok and "start_frame" in json.dumps(result.node_errors)
    result = run(graph(save={"filename_prefix": "../../x"}))
    assert result.error["node_id"] == "3" and "outside the output folder" in result.error["exception_message"]


def test_an_output_without_its_channels_stops_with_a_sentence(run):
    prompt = graph()
    for name in ("images", "flow", "object_masks"):
        del prompt["3"]["inputs"][name]
    result = run(prompt)
    assert "the files hold no pictures" in json.dumps([result.error, result.node_errors])
