"""Depth saved and loaded: exact values, presets, what lies beside the depth, and what a clip of any length takes."""

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from comfy_execution.graph_utils import ExecutionBlocker
from pack.models.handoff.names import FILE_FORMATS, PROGRAMS
from pack.nodes.handoff.load import LoadDepth
from pack.nodes.handoff.save import SaveDepth
from PIL import Image
from tiny.depth_clips import FRAMES, HEIGHT, WIDTH, custom, distances, flow, in_out, load, noise, picture, save
from tiny.live_memory import LiveMemory

EXACT = {"EXR float": 0.0, "PNG 16 bit": 0.51 / 65535, "FFV1 16 bit": 0.51 / 65535, "EXR half": 2.0**-12}


def test_distances_come_back_bit_for_bit(folders):
    given = distances()
    answer = save(picture(given), view=50.0)
    assert answer[0] == "duet/depth_00001_.0001.exr [output]" and answer.ui["text"] == ("Saved depth_00001_.0001.exr",)
    back = load(answer[0])
    assert torch.equal(back["depth"], picture(given)) and back["valid_mask"].all()
    assert back["near_depth"] == pytest.approx(given.min().item(), rel=1e-7) and back["field_of_view"] == 50.0
    assert back["far_depth"] == pytest.approx(given.max().item(), rel=1e-7) and back["frame_rate"] == 24.0
    assert "3 frames of 14 x 10" in back["report"] and "distance in metres in the channel Z" in back["report"]
    assert all(isinstance(back[name], ExecutionBlocker) for name in ("images", "flow", "object_masks"))
    assert "hold no pictures" in back["images"].message


def test_nothing_is_overwritten(folders):
    names = [save(picture(distances()))[0] for _ in range(3)]
    assert len(set(names)) == 3
    for path in (folders / "out" / "duet").glob("depth_00003_*"):
        path.unlink()
    (folders / "out" / "duet" / "depth_00003_.json").write_text("{}")
    before = (folders / "out" / "duet" / "depth_00001_.0001.exr").read_bytes()
    assert save(picture(distances()), "distance")[0].startswith("duet/depth_00004_")
    assert (folders / "out" / "duet" / "depth_00001_.0001.exr").read_bytes() == before
    assert (folders / "out" / "duet" / "depth_00003_.json").read_text() == "{}"
    assert not [path for path in (folders / "out").rglob("*") if path.suffix == ".tmp"]


def test_runs_at_the_same_time_get_names_of_their_own(folders):
    given = [distances(2) + i for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda one: save(picture(one))[0], given))
    assert len(set(names)) == 8
    assert all(torch.equal(load(name)["depth"], picture(one)) for name, one in zip(names, given, strict=True))


@pytest.mark.parametrize("depth_format", FILE_FORMATS)
@pytest.mark.parametrize("saved", ["near is white", "far is white"])
@pytest.mark.parametrize("given_type", ["near is white", "far is white"])
def test_greys_stay_greys_of_either_polarity(folders, depth_format, saved, given_type):
    given = torch.linspace(0, 1, FRAMES * HEIGHT * WIDTH).reshape(FRAMES, HEIGHT, WIDTH)  # smooth, as depth is
    name = save(picture(given), given_type, custom(depth_format, saved))[0]
    back = load(name, given_type)
    bound = EXACT.get(depth_format, 0.012)  # ProRes of pictures of only 10 x 14 pixels with an edge around them
    assert (back["depth"] - picture(given)).abs().max() <= bound + 6e-8 * (saved != given_type)
    assert (back["near_depth"], back["far_depth"]) == (2.0, 8.0)
    turned = load(name, "far is white" if given_type == "near is white" else "near is white")["depth"]
    assert torch.allclose(turned, 1 - back["depth"], atol=1e-7)


def test_distances_become_greys_and_distances_again(folders):
    given = distances()
    for saved, scale in (("near is white", "inverse"), ("far is white", "linear")):
        name = save(picture(given), "distance", custom("EXR float", saved))[0]
        note = json.loads(in_out(folders, name.replace(".0001.exr", ".json")).read_text())
        assert note["depth_type"] == saved and note["depth_scale"] == scale and note["frames"] == FRAMES
        back = load(name)
        assert torch.allclose(back["depth"], picture(given), rtol=2e-4)
        as_grey = load(name, saved)["depth"]
        assert as_grey.min() == 0 and as_grey.max() == 1
    name = save(picture(given), "distance", custom("PNG 16 bit", "near is white"))[0]
    assert (1 / load(name)["depth"] - 1 / picture(given)).abs().max() < 1 / 65535


def test_greys_become_distances(folders):
    given = noise(FRAMES, HEIGHT, WIDTH)
    back = load(save(picture(given), "near is white")[0])
    expected = 1 / (1 / 8.0 + (1 / 2.0 - 1 / 8.0) * given)
    assert torch.allclose(back["depth"][..., 0], expected, rtol=1e-5)
    name = save(picture(given), "near is white", "Unreal")[0]
    assert torch.allclose(load(name)["depth"][..., 0], expected, rtol=2**-10)
    ((names, pixels),) = [read_oiio(in_out(folders, name))]
    assert np.allclose(pixels[..., names.index("R")], 100 * expected[0], rtol=2**-10)


def read_oiio(path):
    """Channel names and pixels of the first part of a file."""
    source = oiio.ImageInput.open(str(path))
    names, pixels = list(source.spec().channelnames), source.read_image("float")
    source.close()
    return names, pixels


@pytest.mark.parametrize("program, channels, kind", [
    ("Nuke", ["depth.Z"], "float"), ("After Effects", ["R", "G", "B"], "float"), ("Blender", ["depth.Z"], "float"),
    ("Unreal", ["R", "G", "B"], "half"),
])  # fmt: skip
def test_presets_write_what_the_program_expects(folders, program, channels, kind):
    name = save(picture(distances()), "distance", program)[0]
    source = oiio.ImageInput.open(str(in_out(folders, name)))
    assert list(source.spec().channelnames) == channels and str(source.spec().format) == kind
    note = json.loads(in_out(folders, name.replace(".0001.exr", ".json")).read_text())
    assert note["depth_type"] == PROGRAMS[program].depth_type and note["units"] == PROGRAMS[program].units
    assert source.spec().getattribute("depthNear") == pytest.approx(note["near_depth"])
    source.close()
    assert load(name)["depth"].shape == (FRAMES, HEIGHT, WIDTH, 3)


def test_the_preset_for_controlnet_is_a_grey_png(folders):
    given = noise(FRAMES, HEIGHT, WIDTH)
    name = save(picture(given), "far is white", "ControlNet")[0]
    with Image.open(in_out(folders, name)) as image:
        assert image.mode == "I;16" and json.loads(image.text["duet_depth"])["depth_type"] == "near is white"
        assert np.abs(np.asarray(image) / 65535 - (1 - given[0].numpy())).max() <= 0.51 / 65535


def test_pictures_motion_and_objects_lie_in_the_same_file(folders):
    images, motion, masks = noise(FRAMES, HEIGHT, WIDTH, 4, seed=5), flow(), torch.zeros(2 * FRAMES, HEIGHT, WIDTH)
    images[..., 3] = images[..., 3].clamp(min=0.1)
    masks[:FRAMES, 2:5, 2:9], masks[FRAMES:, 4:8, 6:12] = 1, 1
    name = save(picture(distances()), program="After Effects", images=images, flow=motion, object_masks=masks)[0]
    names, pixels = read_oiio(in_out(folders, name.replace("0001.exr", "0002.exr")))
    vectors = [f"{way}.{part}" for way in ("backward", "forward") for part in ("u", "v", "valid")]
    assert sorted(names) == sorted(["R", "G", "B", "A", "Z", "object.id", *vectors])
    plane = lambda channel: torch.from_numpy(pixels[..., names.index(channel)].copy())
    assert torch.equal(plane("forward.u"), motion["forward"][1, ..., 0])
    assert torch.equal(plane("forward.v"), -motion["forward"][1, ..., 1]), "upwards"
    assert torch.equal(plane("backward.u"), motion["backward"][0, ..., 0])
    assert torch.equal(plane("object.id"), torch.maximum(masks[1], 2 * masks[FRAMES + 1]))
    back = load(name, "far is white")
    assert back["images"].shape == images.shape and (back["images"] - images).abs().max() < 1e-5
    assert all(torch.equal(back["flow"][part], motion[part]) for part in motion)
    assert torch.equal(back["object_masks"][FRAMES:], masks[FRAMES:]) and len(back["object_masks"]) == 2 * FRAMES


def test_the_track_of_sam3_numbers_its_objects(folders):
    from pack.models.layers.masks import pack

    masks = torch.zeros(FRAMES, 2, HEIGHT, 16, dtype=torch.bool)
    masks[:, 0, 2:5, 2:9], masks[:, 1, 4:8, 6:12] = True, True
    track = {
        "packed_masks": torch.stack([torch.stack([pack(one) for one in frame]) for frame in masks]),
        "n_frames": FRAMES,
    }
    back = load(save(picture(distances(width=16)), object_masks=track)[0])
    assert torch.equal(back["object_masks"][FRAMES:], masks[:, 1].float())
    assert torch.equal(back["object_masks"][:FRAMES], (masks[:, 0] & ~masks[:, 1]).float())


def test_half_keeps_pictures_and_motion_within_its_step(folders):
    images, motion = noise(FRAMES, HEIGHT, WIDTH, 3), flow()
    back = load(save(picture(distances()), program=custom("EXR half"), images=images, flow=motion)[0])
    assert torch.allclose(back["depth"], picture(distances()), rtol=2**-11)
    assert back["images"].shape == images.shape and (back["images"] - images).abs().max() < 6e-4
    assert torch.allclose(back["flow"]["forward"], motion["forward"], rtol=2**-11, atol=1e-6)


@pytest.mark.parametrize("unknown", ["farthest", "zero"])
def test_unknown_depth_is_written_as_chosen_and_read_as_unknown(folders, unknown):
    given = distances()
    for index, value in enumerate((-1.0, math.inf, math.nan, 0.0)):
        given[1, 0, index] = value
    name = save(picture(given), unknown=unknown)[0]
    names, pixels = read_oiio(in_out(folders, name.replace("0001.exr", "0002.exr")))
    far = given[torch.isfinite(given)].max().item()
    assert np.all(pixels[0, :4, names.index("Z")] == (far if unknown == "farthest" else 0))
    assert pixels[..., names.index("valid.A")].sum() == HEIGHT * WIDTH - 4
    back = load(name)
    assert back["valid_mask"].sum() == FRAMES * HEIGHT * WIDTH - 4 and not back["depth"][1, 0, :4].any()
    assert torch.equal(back["depth"][0], picture(given)[0])
    assert not load(name, "near is white")["depth"][1, 0, :4].any(), "the far end"
    grey = save(picture(given), "distance", custom("PNG 16 bit", "far is white"), unknown=unknown)[0]
    assert load(grey, "far is white")["depth"][1, 0, :4].unique() == (1 if unknown == "farthest" else 0)


def test_constant_depth_and_one_frame(folders):
    given = torch.full((1, HEIGHT, WIDTH), 3.25)
    assert torch.equal(load(save(picture(given))[0])["depth"], picture(given))
    grey = load(save(picture(given), "distance", custom("PNG 16 bit", "near is white"))[0], "near is white")
    assert (grey["depth"] - 0.5).abs().max() < 1e-4 and grey["near_depth"] == grey["far_depth"] == 3.25
    assert isinstance(load(save(picture(given))[0])["flow"], ExecutionBlocker)


def test_geometry_keeps_its_metres_and_its_camera(folders):
    given = distances()
    sky = torch.zeros(FRAMES, HEIGHT, WIDTH)
    sky[2, :3] = 1
    lens = torch.eye(3).repeat(FRAMES, 1, 1)
    lens[:, 0, 0], lens[:, 0, 2], lens[:, 1, 2] = 7.0, 7.0, 5.0
    name = save({"depth": given, "sky": sky, "intrinsics": lens})[0]
    back = load(name)
    assert torch.equal(back["depth"][..., 0], given.where(sky < 0.5, 0.0)) and back["field_of_view"] == pytest.approx(
        90
    )
    assert load(save({"depth": given})[0])["field_of_view"] == 0


def write_exr(path, channels, **attributes):
    """An EXR of another program: OpenImageIO."""
    spec = oiio.ImageSpec(WIDTH, HEIGHT, len(channels), "float")
    spec.channelnames = tuple(channels)
    for name, value in attributes.items():
        spec[name] = value
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), spec)
    out.write_image(np.stack([plane.numpy() for plane in channels.values()], -1))
    out.close()


def test_files_of_other_programs(folders):
    given = distances()
    for i in range(FRAMES):
        write_exr(folders / "in" / f"shot.{i + 1001}.exr", {"R": noise(HEIGHT, WIDTH), "depth.Z": given[i]})
        write_exr(folders / "in" / f"grey_{i:02}.exr", dict.fromkeys("RGB", given[i] / 30))
        write_exr(folders / "in" / f"y_{i}.exr", {"Y": given[i] / 30})
        Image.fromarray((given[i].numpy() * 10).astype(np.uint8)).save(folders / "in" / f"p{i}.png")
    assert torch.equal(load("shot.1001.exr")["depth"], picture(given))
    assert {"shot.1001.exr", "grey_00.exr", "p0.png"} <= set(LoadDepth.GET_SCHEMA().inputs[0].options)
    assert "shot.1002.exr" not in LoadDepth.GET_SCHEMA().inputs[0].options
    with pytest.raises(ValueError, match="grey_00.exr does not say what its numbers mean"):
        load("grey_00.exr")
    for name in ("grey_00.exr", "y_0.exr"):
        assert torch.equal(load(name, "far is white", "far is white")["depth"], picture(given / 30))
        metres = load(
            name,
            depth_type="far is white",
            near_depth=100.0,
            far_depth=200.0,
            depth_scale="linear",
            units="centimetres",
        )
        assert torch.allclose(metres["depth"], picture(1 + given / 30), rtol=1e-5) and metres["near_depth"] == 1
    eight = load("p1.png", "near is white", "near is white")["depth"]
    assert (eight[0] - picture(given)[1] / 25.5).abs().max() < 1 / 255 and len(eight) == 2
    colours = {name: noise(HEIGHT, WIDTH, seed=i) for i, name in enumerate("RGB")}
    write_exr(folders / "in" / "colour.exr", colours)
    with pytest.raises(ValueError, match="depth_file: expected a grey depth picture, got colours"):
        load("colour.exr", "near is white", "near is white")
    assert torch.equal(load("colour.exr", depth_type="distance", channel="G")["depth"][0, ..., 0], colours["G"])


def test_numbers_of_a_renderer_that_are_none(folders):
    given = distances(2)
    channels = {
        "R": noise(HEIGHT, WIDTH),
        "G": noise(HEIGHT, WIDTH),
        "B": noise(HEIGHT, WIDTH),
        "forward.u": noise(HEIGHT, WIDTH),
    }
    for i in range(2):
        given[i, 0, 0], channels["R"][1, 1], channels["forward.u"][2, 2] = 1e10, torch.nan, torch.inf
        write_exr(
            folders / "in" / f"b.{i:04}.exr",
            channels | {"forward.v": channels["forward.u"], "ViewLayer.Depth.Z": given[i]},
        )
    back = load("b.0000.exr")
    assert not back["valid_mask"][:, 0, 0].any() and back["valid_mask"].sum() == 2 * (HEIGHT * WIDTH - 1)
    assert back["far_depth"] < 30 and torch.isfinite(back["images"]).all() and back["images"][0, 1, 1, 0] == 0
    assert torch.isfinite(back["flow"]["forward"]).all() and back["flow"]["forward_valid"].sum() == HEIGHT * WIDTH - 1


def test_a_part_of_a_clip_and_a_folder(folders):
    given = distances(6)
    name = save(picture(given), prefix="take/depth")[0]
    assert torch.equal(load(name, start=2, count=3)["depth"], picture(given)[2:5])
    assert torch.equal(load("take [output]", start=4)["depth"], picture(given)[4:])
    for ending in ("mkv", "mov"):
        kind = custom("FFV1 16 bit" if ending == "mkv" else "ProRes 4444", "near is white")
        name = save(picture(given), "distance", kind, prefix="take/video")[0]
        assert name.endswith(f".{ending} [output]") and len(load(name, "near is white", start=4)["depth"]) == 2
    with pytest.raises(
        ValueError, match="Expected one depth file or series in the folder take, got depth_00001_.0001.exr, "
    ):
        load("take [output]")
    with pytest.raises(ValueError, match="start_frame: expected less than 6"):
        load(name, "near is white", start=6)


def test_a_replaced_file_is_read_again(folders):
    name = save(picture(distances()))[0]
    stamp = lambda: LoadDepth.fingerprint_inputs(depth_file=name, depth_type={}, start_frame=0, frame_count=0)
    before, path = stamp(), in_out(folders, name.replace("0001.exr", "0002.exr"))
    assert before and before == stamp() and LoadDepth.fingerprint_inputs(depth_file=None) == ""
    os.utime(path, ns=(1, 1))
    assert stamp() != before
    before = stamp()
    note = in_out(folders, name.replace(".0001.exr", ".json"))
    note.write_text(note.read_text().replace("metres", "centimetres"))
    assert stamp() != before


@pytest.mark.parametrize("kind", ["near is white", "distance"])
def test_saving_holds_a_few_frames_however_long_the_clip_is(folders, kind):
    """Tensors of the work itself; benchmarks/depth_files.py measures the process."""
    most = []
    for frames in (200, 600):
        given = (1 + noise(1, 32, 48, 1)) / 2
        given = given.expand(frames, 32, 48, 3)
        with LiveMemory([given]) as live:
            save(given, kind, custom("FFV1 16 bit", "near is white"))
        most.append(live.most)
    assert most[1] <= 1.1 * most[0] and most[1] < 600 * 32 * 48 * 4


def test_dwaa_warns(folders, caplog):
    save(picture(distances()), program=custom(compression="DWAA"))
    assert "DWAA changes the depth" in caplog.text


def test_the_workflow_is_kept_where_the_server_keeps_it(folders, monkeypatch):
    from comfy.cli_args import args

    class Graph:
        prompt, extra_pnginfo = {"1": {}}, {"workflow": {"nodes": []}, "compression": "none", "channels": 3}

    monkeypatch.setattr(SaveDepth, "hidden", Graph, raising=False)
    for program, found in (("Nuke", "exr"), ("ControlNet", "png")):
        path = in_out(folders, save(picture(distances()), "distance", program)[0])
        note = json.loads(path.with_name(path.name.replace(f".0001.{found}", ".json")).read_text())
        assert json.loads(note["workflow"]) == {"nodes": []} and json.loads(note["prompt"]) == {"1": {}}
        content = path.read_bytes()
        assert b'{"nodes": []}' in content
    monkeypatch.setattr(args, "disable_metadata", True)
    path = in_out(folders, save(picture(distances()), "distance", "Nuke")[0])
    assert b"nodes" not in path.read_bytes() and "workflow" not in json.loads(
        path.with_name(path.name.replace(".0001.exr", ".json")).read_text()
    )
