"""Names, depth, files and disks that Save Depth and Load Depth refuse, and what is left then."""

import os
import subprocess

import comfy.model_management as memory
import pytest
import torch
from pack.nodes.handoff.load import LoadDepth
from tiny.depth_clips import FRAMES, HEIGHT, WIDTH, custom, distances, flow, in_out, load, noise, picture, save
from tiny.full_disk import run_on_full_disk

BAD_NAMES = [
    "../secret.exr", "/etc/passwd", "../out/x.exr", "a/../../secret.exr", "none.exr", "x.txt", "../secret.exr [output]",
    "a\0b.exr", "a\nb.exr", "", " ",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_never_leads_out_of_its_folder(folders, name):
    for path in (folders / "secret.exr", folders / "out" / "x.exr", folders / "in" / "x.txt"):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match="Found no file|Expected a file that ends in"):
        load(name)
    assert isinstance(LoadDepth.validate_inputs(name), str)


@pytest.mark.parametrize("prefix", ["../../secret", "/tmp/secret", "a/../../../b"])
def test_a_prefix_never_leads_out_of_the_output(folders, prefix):
    with pytest.raises(Exception, match="outside the output folder"):
        save(picture(distances()), prefix=prefix)


@pytest.mark.parametrize("prefix", ["a\0b", "a\nb", "x" * 300, "duet/\x1b[31m"])
def test_a_prefix_of_control_characters_is_refused(folders, prefix):
    with pytest.raises(ValueError, match="filename_prefix: expected up to 200 characters without control characters"):
        save(picture(distances()), prefix=prefix)
    assert not list((folders / "out").rglob("*"))


@pytest.mark.parametrize("change, words", [
    ({"depth": torch.zeros(FRAMES, HEIGHT, WIDTH, 3)}, "expected a distance above 0 in every frame, got none in frame 0"),
    ({"depth": torch.full((2, HEIGHT, WIDTH, 3), torch.nan)}, "got none in frame 0"),
    ({"depth": torch.zeros(0, HEIGHT, WIDTH, 3)}, "depth: expected at least one frame"),
    ({"depth": {"points": 1}}, "expected a geometry with depth"),
    ({"depth": noise(FRAMES, HEIGHT, WIDTH, 3)}, "expected a grey depth picture, got colours"),
    ({"depth_type": "near is white", "depth": torch.full((1, 4, 4, 3), torch.nan)}, "depth: expected finite numbers"),
    ({"depth_type": "near is white", "depth": torch.full((1, 4, 4, 3), 12.0)}, "expected depth from 0 to 1, got up to 12"),
    ({"images": noise(2, HEIGHT, WIDTH, 3)}, "depth has 3, images has 2"),
    ({"images": noise(FRAMES, 4, 4, 3)}, "Expected pictures of one size"),
    ({"images": noise(FRAMES, HEIGHT, WIDTH, 3).log()[:, :1, :1] * torch.inf * torch.ones(1, HEIGHT, WIDTH, 1)}, "images: expected finite"),
    ({"flow": flow(5)}, "expected motion between the 3 frames of the depth, got a flow of 4 pairs"),
    ({"flow": {"to_picture": torch.zeros(3, HEIGHT, WIDTH, 2)}}, "got a flow to one still image"),
    ({"object_masks": torch.ones(2, HEIGHT, WIDTH)}, "object_masks: expected 1 mask, 3 masks"),
    ({"program": custom("PNG 16 bit")}, "PNG 16 bit stores greys from 0 to 1, no distances"),
    ({"program": "ControlNet", "images": noise(FRAMES, HEIGHT, WIDTH, 3)}, "no room for images beside the depth"),
    ({"program": "Unreal", "depth": 1000 * picture(distances())}, "R: expected numbers up to 65504.*EXR float"),
])  # fmt: skip
def test_bad_input_is_refused_and_leaves_nothing(folders, change, words):
    depth = change.get("depth", picture(distances()))
    beside = {name: change[name] for name in ("images", "flow", "object_masks") if name in change}
    with pytest.raises(ValueError, match=words):
        save(depth, change.get("depth_type", "distance"), change.get("program"), **beside)
    assert not [path for path in (folders / "out").rglob("*") if path.is_file()]


def test_a_truncated_exr_is_refused(folders):
    name = save(picture(distances()))[0]
    path = in_out(folders, name.replace("0001.exr", "0003.exr"))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match="depth_00001_.0003.exr cannot be read as EXR"):
        load(name)
    assert len(load(name, count=2)["depth"]) == 2


@pytest.mark.parametrize("depth_format", ["FFV1 16 bit", "ProRes 4444"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.7])
def test_a_truncated_video_is_refused(folders, depth_format, part):
    name = save(picture(noise(12, 40, 60)), "near is white", custom(depth_format, "near is white"))[0]
    path = in_out(folders, name)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match="cannot be read as video|it is incomplete"):
        load(name, "near is white")


def mounted(folder, options):
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("depth_format", ["EXR float", "PNG 16 bit", "FFV1 16 bit", "ProRes 422 HQ"])
def test_a_full_disk_leaves_nothing_and_is_named(folders, depth_format):
    out = folders / "out"
    if not mounted(out, "size=256k"):
        pytest.skip("no right to mount a small disk here")
    try:
        with pytest.raises(
            ValueError, match=r"out/duet/depth_00001_\..* could not be written .*No space left on device"
        ):
            save(picture(noise(24, 160, 240)), "near is white", custom(depth_format, "near is white"))
        assert not [path for path in out.rglob("*") if path.is_file()]
        assert save(picture(noise(1, 20, 30)), "near is white", custom(depth_format, "near is white"))[0]
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_disk_that_cannot_be_written_is_named(folders):
    out = folders / "out"
    if not mounted(out, "size=256k,ro"):
        pytest.skip("no right to mount a disk here")
    try:
        with pytest.raises(
            ValueError, match="folder of 'duet/depth' could not be made in the output folder .Read-only"
        ):
            save(picture(distances()))
    finally:
        subprocess.run(["umount", str(out)], check=True)


LIMITED = """
from pack.models.handoff.names import Form
from pack.models.handoff.note import DepthNote
from pack.models.handoff.saving import DepthClip, save_clip
plane = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)).numpy()
for kind in ("EXR float", "PNG 16 bit", "FFV1 16 bit", "ProRes 422 HQ"):
    try:
        note = DepthNote("near is white", frame_rate=24.0)
        save_clip(folder / "x.json", DepthClip(2, lambda i: plane, lambda i: {}), Form(kind, "near is white"), note, {})
    except ValueError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit of a file's size is one of POSIX")
def test_a_disk_that_takes_no_more_is_named_without_a_right_to_mount(tmp_path):
    printed = run_on_full_disk(LIMITED, tmp_path)
    assert printed.count("could not be written (File too large)") == 4, printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("depth_format", ["EXR float", "PNG 16 bit", "FFV1 16 bit"])
def test_cancel_leaves_nothing(folders, monkeypatch, depth_format):
    def cancel(total):
        def report(done):
            if done == total - 1:
                raise memory.InterruptProcessingException

        return report

    monkeypatch.setattr("pack.nodes.host.progress.progress", cancel)
    with pytest.raises(memory.InterruptProcessingException):
        save(picture(noise(FRAMES, HEIGHT, WIDTH)), "near is white", custom(depth_format, "near is white"))
    assert not [path for path in (folders / "out").rglob("*") if path.is_file()]


def test_a_clip_of_more_than_the_memory_is_refused_at_once(folders, monkeypatch):
    name = save(picture(distances()))[0]
    monkeypatch.setattr("pack.nodes.host.memory.free_memory", lambda: 1000)
    with pytest.raises(ValueError, match="Load Depth with 3 frames of 14 x 10 needs about .* lower frame_count"):
        load(name)
