"""Save Moving Geometry: each kind of file read by another library and projected back, its frames, its refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import comfy.model_management as memory
import folder_paths
import numpy as np
import pytest
import torch
from comfy.cli_args import args
from comfy_api.latest._io import HiddenHolder
from pack.models.depth.range import normalize_clip
from pack.models.stage import render, sample_scene
from pack.nodes.geometry.save import SaveGeometry
from pack.nodes.stage.truth import geometry
from tiny.geometry_files import decibels, project, read_glb, read_ply, read_usd

FRAMES, HEIGHT, WIDTH = 4, 72, 96
TEXTURED, COLORED = ({"geometry_format": "glb", "surface_colors": colors} for colors in ("texture", "points"))
PLY = {"geometry_format": "ply"}
USD, USD_POINTS = ({"geometry_format": "usd", "shape": shape, "frame_rate": 24.0} for shape in ("surface", "points"))
KINDS = {"textured": TEXTURED, "colored": COLORED, "ply": PLY, "usd": USD, "usd points": USD_POINTS}
METRES = {"depth_type": "distance"}


@pytest.fixture
def out(tmp_path):
    """The host's own output folder, elsewhere."""
    before = folder_paths.get_output_directory()
    (tmp_path / "out").mkdir()
    folder_paths.set_output_directory(str(tmp_path / "out"))
    yield tmp_path / "out"
    folder_paths.set_output_directory(before)


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(7, frames=FRAMES, height=HEIGHT, width=WIDTH, objects=2))


def field_of_view(clip) -> float:
    return float(np.degrees(2 * np.arctan(clip.camera.width / 2 / clip.camera.focal)))


def save(clip, file_format, depth=None, depth_type=METRES, **changes):
    """The node on a clip whose depth is a picture of metres."""
    depth = clip.depth[..., None].repeat(1, 1, 1, 3) if depth is None else depth
    inputs = {
        "images": clip.rgb, "depth": depth, "depth_type": depth_type, "field_of_view": field_of_view(clip),
        "filename_prefix": "duet/geometry", "geometry_format": file_format, "pixel_step": 1, "jump_threshold": 0.05,
        "max_distance": 0.0, "first_frame": 0, "max_frames": 0, "frame_step": 1, "camera_motion": "auto",
    }  # fmt: skip
    return SaveGeometry.execute(**inputs | changes)


def files(out) -> list[Path]:
    return sorted(path for path in out.rglob("*") if path.is_file())


def read_all(out, file_format) -> list:
    """Every frame of the newest saving."""
    if file_format["geometry_format"] == "usd":
        from pxr import Usd, UsdGeom

        (path,) = files(out)
        stage = Usd.Stage.Open(str(path))
        (shape,) = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.PointBased)]
        return [read_usd(path, time) for time in UsdGeom.PointBased(shape).GetPointsAttr().GetTimeSamples()]
    return [(read_ply if file_format is PLY else read_glb)(path) for path in files(out)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixel_step", [1, 3])
def test_every_frame_returns_to_its_picture(out, clip, kind, pixel_step):
    path, model, report = save(clip, KINDS[kind], pixel_step=pixel_step).result
    read = read_all(out, KINDS[kind])
    assert len(read) == FRAMES
    for one, picture in zip(read, clip.rgb.numpy(), strict=True):
        quality, covered = decibels(one, picture)
        assert quality > 40 and covered > 0.85 / pixel_step**2
        corners = project(one, WIDTH, HEIGHT)[1][one.triangles]
        assert (corners.max(-1) <= 1.0501 ** (2 * pixel_step - 1) * corners.min(-1)).all()  # nothing spans a jump
    assert path.startswith("duet/geometry_00001_") and path.endswith(" [output]")
    assert Path(model.get_source()) == files(out)[0] and model.format == files(out)[0].suffix[1:]
    assert f"{FRAMES} frames" in report and f"{max(len(one.points) for one in read):,} points" in report
    assert f"{field_of_view(clip):.1f} degrees" in report


@pytest.mark.parametrize("polarity", ["near is white", "far is white"])
def test_grey_pictures_become_metres(out, clip, polarity):
    """What Normalize Depth gives for ControlNet comes back as the stage's distances."""
    picture, near, far = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse", polarity=polarity)
    kind = {"depth_type": polarity, "near_depth": float(near), "far_depth": float(far), "depth_scale": "inverse"}
    save(clip, PLY, picture[..., None].repeat(1, 1, 1, 3), kind)
    read = read_all(out, PLY)[1]
    distance = -((read.points - read.place[:3, 3]) @ read.place[:3, :3])[:, 2]
    np.testing.assert_allclose(distance, clip.depth[1].reshape(-1).numpy(), rtol=1e-3)


def test_frames_are_chosen_and_keep_their_time(out, clip):
    save(clip, USD, first_frame=1, frame_step=2)
    from pxr import Usd

    stage = Usd.Stage.Open(str(files(out)[0]))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (2, 4, 24)
    for time, frame in ((2, 1), (4, 3)):
        assert decibels(read_usd(files(out)[0], time), clip.rgb[frame].numpy())[0] > 40
    save(clip, PLY, first_frame=1, max_frames=2, filename_prefix="duet/ply")
    assert [path.name for path in files(out)[1:]] == ["ply_00001__0000.ply", "ply_00001__0001.ply"]
    assert decibels(read_ply(files(out)[2]), clip.rgb[2].numpy())[0] > 40
    with pytest.raises(ValueError, match="first_frame: expected at most 3 for a clip of 4 frames, got 4"):
        save(clip, PLY, first_frame=4)


def test_nothing_is_overwritten(out, clip):
    for kind in (COLORED, PLY, USD):
        first, second = save(clip, kind, pixel_step=4)[0], save(clip, kind, pixel_step=8)[0]
        assert first != second
    assert len(files(out)) == 2 * (FRAMES + FRAMES + 1)


def test_mask_and_distance_leave_things_out(out, clip):
    save(clip, PLY, shape_mask=clip.person_mask)
    for one, mask in zip(read_all(out, PLY), clip.person_mask, strict=True):
        assert len(one.points) == (mask > 0.5).sum()
    save(clip, PLY, max_distance=3.0, filename_prefix="duet/near")
    for path, depth in zip(files(out)[FRAMES:], clip.depth, strict=True):
        assert len(read_ply(path).points) == (depth <= 3).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_geometry_stays_in_the_sequence(out, clip, kind):
    """A person who leaves the picture."""
    mask = clip.person_mask.clone()
    mask[2] = 0
    save(clip, KINDS[kind], shape_mask=mask)
    if KINDS[kind]["geometry_format"] != "glb":
        assert [len(one.points) > 0 for one in read_all(out, KINDS[kind])] == [True, True, False, True]
    else:
        assert len(files(out)) == FRAMES and len(files(out)[2].read_bytes()) < len(files(out)[1].read_bytes()) / 4


def test_the_camera_follows_the_poses_of_a_geometry(out):
    """As Depth Anything 3 gives them in its multi-view mode; those of a test video lead back into its own room."""
    clip = render(sample_scene(3, frames=FRAMES, height=HEIGHT, width=WIDTH, camera="orbit"))
    given = geometry(clip)
    report = save(clip, USD, given, field_of_view=0.0)[2]
    assert "the camera moves" in report and f"{field_of_view(clip):.1f} degrees" in report
    for frame, one in enumerate(read_all(out, USD)):
        assert decibels(one, clip.rgb[frame].numpy())[0] > 40
        np.testing.assert_allclose(one.place[:3, 3], clip.camera.position[frame].numpy(), atol=1e-4)
        assert abs(one.points[:, 1].min()) < 0.01  # the floor
    assert "stands still" in save(clip, USD, given, camera_motion="still", filename_prefix="duet/still")[2]
    given["extrinsics"][0, 1, 0, 0] = torch.nan
    with pytest.raises(
        ValueError, match="camera poses of 4 frames, got 4 of which 1 are not finite: set camera_motion"
    ):
        save(clip, USD, given)


# --- workflow --------------------------------------------------------------------------------------------------------


PROMPT, WORKFLOW = {"1": {"class_type": "DuetSaveGeometry"}}, {"nodes": []}
GRAPH = HiddenHolder("1", PROMPT, {"workflow": WORKFLOW}, None, None, None)


def about(path: Path) -> dict:
    if path.suffix == ".glb":
        data = path.read_bytes()
        return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])["asset"].get("extras", {})
    from pxr import Sdf

    return dict(Sdf.Layer.FindOrOpen(str(path)).customLayerData)


@pytest.mark.parametrize("kind", ["textured", "usd"])
@pytest.mark.parametrize("kept", [True, False])
def test_the_workflow_is_kept_unless_the_server_keeps_none(out, clip, monkeypatch, kind, kept):
    monkeypatch.setattr(SaveGeometry, "hidden", GRAPH, raising=False)
    monkeypatch.setattr(args, "disable_metadata", not kept)
    save(clip, KINDS[kind], max_frames=1)
    wanted = {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW)}
    assert about(files(out)[0]) == (wanted if kept else {})


# --- what is refused -------------------------------------------------------------------------------------------------


def depth_of(clip, change):
    depth = clip.depth[..., None].repeat(1, 1, 1, 3).clone()
    change(depth)
    return depth


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_depth_is_a_hole(out, clip, kind):
    """NaN, negative, zero and infinite distances."""

    def spoil(depth):
        for row, bad in enumerate((torch.nan, -1.0, 0.0, torch.inf)):
            depth[:, 10 + 2 * row, 20:60] = bad

    save(clip, KINDS[kind], depth_of(clip, spoil))
    for one in read_all(out, KINDS[kind]):
        assert np.isfinite(one.points).all() and (one.points[:, 2] < 0).all()
        assert HEIGHT * WIDTH * 0.8 < len(one.points) <= HEIGHT * WIDTH - 160


@pytest.mark.parametrize("bad", [torch.nan, 0.0, -2.0, torch.inf])
def test_a_frame_without_depth_is_named(out, clip, bad):
    with pytest.raises(ValueError, match="depth: expected .* in .*frame 2|NaN in frame 2"):
        save(clip, USD, depth_of(clip, lambda depth: depth[2].fill_(bad)))
    assert not files(out)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_depth_is_a_wall(out, clip, kind):
    save(clip, KINDS[kind], torch.full((FRAMES, HEIGHT, WIDTH, 3), 2.0), max_frames=1)
    (one,) = read_all(out, KINDS[kind])
    np.testing.assert_allclose(one.points[:, 2], -2, rtol=1e-6)


def test_one_frame_and_no_frame(out, clip):
    depth = clip.depth[..., None].repeat(1, 1, 1, 3)
    save(clip, TEXTURED, depth[:1], images=clip.rgb[:1])
    assert len(files(out)) == 1
    with pytest.raises(ValueError, match="images: expected at least one frame"):
        save(clip, TEXTURED, depth[:0], images=clip.rgb[:0])


@pytest.mark.parametrize(("change", "words"), [
    (lambda clip: {"images": clip.rgb[:3]}, "images has 3, depth has 4"),
    (lambda clip: {"images": clip.rgb[:, :64]}, "images is 96 x 64, depth is 96 x 72"),
    (lambda clip: {"shape_mask": clip.person_mask[:2]}, "shape_mask: expected 1 or 4 masks"),
    (lambda clip: {"shape_mask": torch.zeros(1, 8, 8)}, "at least one pixel with geometry, got none"),
    (lambda clip: {"max_distance": 0.01}, "raise max_distance, or check shape_mask"),
    (lambda clip: {"images": clip.rgb * torch.nan}, "images: expected finite numbers"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(out, clip, change, words):
    with pytest.raises(ValueError, match=words):
        save(clip, TEXTURED, **change(clip))
    assert not files(out)


@pytest.mark.parametrize("kind", ["textured", "usd"])
def test_depth_of_noise_alone_gives_no_surface(out, clip, kind):
    noise = (
        torch.rand(FRAMES, HEIGHT, WIDTH, 1, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 1, 3) * 50 + 0.1
    )
    with pytest.raises(ValueError, match="no neighboring pixels are within jump_threshold 0 of each other"):
        save(clip, KINDS[kind], noise, jump_threshold=0.0)
    assert not files(out)


def test_a_prefix_never_leads_out_of_the_output(out, clip):
    for prefix in ("../../secret", "/tmp/secret"):
        with pytest.raises(Exception, match="outside the output folder"):
            save(clip, PLY, filename_prefix=prefix)
    assert not files(out)


@pytest.mark.parametrize("prefix", ["duet/a\0b", "duet/line\nbreak", "\x1b[2J"])
def test_control_characters_in_a_name_are_refused(out, clip, prefix):
    with pytest.raises(ValueError, match="filename_prefix: expected up to 200 characters without control characters"):
        save(clip, PLY, filename_prefix=prefix)
    assert not files(out)


@pytest.mark.parametrize("prefix", ["duet/v1.2 [b]", "duet/Ünï 雪", "a'b"])
def test_unusual_names_are_kept(out, clip, prefix):
    for kind in (TEXTURED, USD):
        save(clip, kind, filename_prefix=prefix, pixel_step=8)
    assert len(files(out)) == FRAMES + 1 and all(
        path.name.startswith(Path(prefix).name + "_0000") for path in files(out)
    )


def test_a_folder_that_cannot_be_made_is_named(out, clip):
    (out / "taken").write_bytes(b"a file")
    with pytest.raises(ValueError, match="filename_prefix: the folder of 'taken/x/y' could not be made"):
        save(clip, PLY, filename_prefix="taken/x/y")


def test_a_disk_without_room_is_named_before_anything_is_written(out, clip, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(
        ValueError, match=r"of 4 frames needs about .* MB in .*/duet, but 0.00 MB are free there: make room"
    ):
        save(clip, USD)
    assert not files(out)


@pytest.fixture
def small_disk(out):
    """An output folder on a disk of 150 kB, and what changes it."""
    mount = lambda *options: (
        subprocess.run(["mount", *options, str(out)], capture_output=True, check=False).returncode == 0
    )
    if not mount("-t", "tmpfs", "-o", "size=150k", "none"):
        pytest.skip("no right to mount a small disk here")
    (out / "duet").mkdir()
    yield mount
    subprocess.run(["umount", str(out)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_becomes_full_leaves_nothing(out, clip, small_disk, monkeypatch, kind):
    monkeypatch.setattr("pack.nodes.inputs.disk.check_disk", lambda *given: None)
    with pytest.raises(ValueError, match=r"out/duet/geometry_00001_.*could not be written \(No space left on device\)"):
        save(clip, KINDS[kind])
    assert not files(out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_disk_is_named(out, clip, small_disk, kind):
    assert small_disk("-o", "remount,ro")
    with pytest.raises(ValueError, match="out/duet/geometry_00001_.*could not be written"):
        save(clip, KINDS[kind], max_frames=1, pixel_step=8)
    assert not files(out)


@pytest.mark.parametrize("kind", KINDS)
def test_cancel_leaves_nothing(out, clip, monkeypatch, kind):
    def cancel(total):
        def report(done):
            if done == 2:
                raise memory.InterruptProcessingException

        return report

    monkeypatch.setattr("pack.nodes.host.progress.progress", cancel)
    with pytest.raises(memory.InterruptProcessingException):
        save(clip, KINDS[kind])
    assert not files(out)


def test_without_usd_core_a_sentence_says_what_to_install(out, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(
        ValueError, match=r"usd-core, which is not installed: run `pip install usd-core`, or choose glb"
    ):
        save(clip, USD)
    save(clip, TEXTURED)
    assert len(files(out)) == FRAMES


FLAT = """
import sys
from pathlib import Path
import conftest, torch
from pack.models.geometry.surface import point_cloud
from pack.models.geometry.usd import UsdFile
from pack.models.geometry.view import still_camera
held = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) / 1024
camera, random = still_camera(1, 100.0, 200, 300), torch.Generator().manual_seed(0)
with UsdFile(Path(sys.argv[1]), Path(sys.argv[1]), 24.0, True, {}) as file:
    for frame in range(30):
        cloud = point_cloud(torch.rand(200, 300, generator=random) + 1, camera)
        file.add(frame + 1, cloud, torch.rand(60000, 3, generator=random), camera, 1)
        if frame == 4:
            before = held()
print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory that Linux counts")
def test_a_usd_of_many_frames_needs_the_memory_of_a_few(tmp_path):
    """25 frames more are 42 MB in the file, and next to nothing in memory."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FLAT, str(tmp_path / "x.usdc")], cwd=root, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (tmp_path / "x.usdc").stat().st_size > 45e6 and float(done.stdout) < 15, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_near_the_files(out, kind):
    clip = render(sample_scene(7, frames=2, height=256, width=256, objects=2))
    report = save(clip, KINDS[kind])[2]
    written = sum(path.stat().st_size for path in files(out))
    estimated = float(report.split("(estimated ")[1].split(" MB")[0]) * 1e6
    assert written * 0.9 < estimated < written * 2, report
