"""GLB, PLY and USD opened by trimesh, plyfile and usd-core: counts, units, handedness, colours, and the way back."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from pack.models.geometry.colours import as_bytes, at_pixels, linear
from pack.models.geometry.glb import glb_chunks
from pack.models.geometry.ply import ply_chunks
from pack.models.geometry.surface import point_cloud, surface
from pack.models.geometry.usd import UsdFile
from pack.models.geometry.view import vertical_view
from pack.models.saving import write_file
from pack.models.stage import render, sample_scene
from PIL import Image
from tiny.geometry_files import decibels, project, read_glb, read_ply, read_usd

FRAMES, HEIGHT, WIDTH = 4, 96, 128
RATE = 12.0


@pytest.fixture(scope="module", params=["still", "orbit"])
def clip(request):
    return render(sample_scene(4, frames=FRAMES, height=HEIGHT, width=WIDTH, camera=request.param, objects=2))


def camera_of(clip, frame):
    return clip.camera.frames(slice(frame, frame + 1))


def found_in(clip, frame, make=surface, step=1):
    shape = make(clip.depth[frame], camera_of(clip, frame), step)
    return shape, at_pixels(clip.rgb[frame], shape.pixels)


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(as_bytes(picture).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def write_clip_usd(clip, path, points=False, step=1, about=None):
    with UsdFile(path, path, RATE, points, about or {}) as file:
        for frame in range(FRAMES):
            shape, colours = found_in(clip, frame, point_cloud if points else surface, step)
            file.add(frame + 1, shape, linear(colours), camera_of(clip, frame), step)
    return path


def chunk(path: Path) -> dict:
    """The description in a GLB."""
    data = path.read_bytes()
    magic, version, total = struct.unpack("<4sII", data[:12])
    assert (magic, version, total) == (b"glTF", 2, len(data))
    size, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON" and size % 4 == 0
    return json.loads(data[20 : 20 + size])


def written(path, chunks):
    return write_file(path, lambda file: file.writelines(chunks))


# --- GLB -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("textured", [False, True])
def test_a_glb_returns_to_the_picture(clip, tmp_path, step, textured):
    frame = 2
    shape, colours = found_in(clip, frame, step=step)
    look = {"texture": png(clip.rgb[frame])} if textured else {"colours": linear(colours)}
    about = {"workflow": "{}"}
    chunks = glb_chunks(shape, camera_of(clip, frame), **look, about=about)
    path = written(tmp_path / "x.glb", chunks)
    read = read_glb(path)
    assert read.points.shape == shape.points.shape and np.array_equal(read.triangles, shape.triangles.numpy())
    np.testing.assert_allclose(read.points, shape.points.numpy(), atol=1e-6)
    quality, covered = decibels(read, clip.rgb[frame].numpy())
    assert quality > 40 and covered > 0.9 / step**2
    places, distance = project(read, WIDTH, HEIGHT)
    np.testing.assert_allclose(distance, shape.depth.numpy(), rtol=1e-4)
    assert np.abs(places - places.round()).max() < 0.02  # on pixel centres
    scene = chunk(path)
    assert scene["asset"] == {"version": "2.0", "generator": "ComfyUI-Duet", "extras": about}
    assert abs(scene["cameras"][0]["perspective"]["yfov"] - vertical_view(clip.camera)) < 1e-9
    assert scene["cameras"][0]["perspective"]["aspectRatio"] == WIDTH / HEIGHT


def test_a_glb_of_points_and_one_of_nothing(clip, tmp_path):
    shape, colours = found_in(clip, 0, point_cloud)
    empty = point_cloud(torch.full((HEIGHT, WIDTH), torch.nan), camera_of(clip, 0))
    contents = [
        glb_chunks(shape, camera_of(clip, 0), linear(colours)),
        glb_chunks(empty, camera_of(clip, 0), torch.empty(0, 3)),
    ]
    full, nothing = (written(tmp_path / f"{i}.glb", content) for i, content in enumerate(contents))
    (cloud,) = trimesh.load_scene(full, process=False).geometry.values()
    assert isinstance(cloud, trimesh.PointCloud) and len(cloud.vertices) == HEIGHT * WIDTH
    assert (
        chunk(nothing)["nodes"][0]["camera"] == 0 and "meshes" not in chunk(nothing) and "buffers" not in chunk(nothing)
    )


def test_every_view_and_accessor_of_a_glb_fits(clip, tmp_path):
    shape, _ = found_in(clip, 1, step=2)
    path = written(tmp_path / "x.glb", glb_chunks(shape, camera_of(clip, 1), texture=png(clip.rgb[1])))
    scene = chunk(path)
    for view in scene["bufferViews"]:
        assert (
            view["byteOffset"] % 4 == 0 and view["byteOffset"] + view["byteLength"] <= scene["buffers"][0]["byteLength"]
        )
    for accessor in scene["accessors"]:
        size = 4 * {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
        assert scene["bufferViews"][accessor["bufferView"]]["byteLength"] == size * accessor["count"]
    position = scene["accessors"][scene["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    np.testing.assert_allclose(position["min"], shape.points.amin(0).numpy(), rtol=1e-6)
    assert (
        len(path.read_bytes())
        == 12
        + 8
        + len(json.dumps(scene).encode())
        + -len(json.dumps(scene).encode()) % 4
        + 8
        + scene["buffers"][0]["byteLength"]
    )


# --- PLY -------------------------------------------------------------------------------------------------------------


def test_a_ply_returns_to_the_picture(clip, tmp_path):
    for step in (1, 4):
        shape, colours = found_in(clip, 3, point_cloud, step)
        content = ply_chunks(shape, camera_of(clip, 3), as_bytes(colours))
        path = written(tmp_path / f"{step}.ply", content)
        read = read_ply(path)
        assert read.points.dtype == np.float32 and np.array_equal(read.points, shape.points.numpy())
        quality, covered = decibels(read, clip.rgb[3].numpy())
        assert quality > 40 and covered == len(shape.points) / HEIGHT / WIDTH
        cloud = trimesh.load(path)
        assert np.array_equal(cloud.vertices.astype("f4"), read.points)
        assert np.array_equal(cloud.colors[:, :3], as_bytes(colours).numpy())


def test_a_ply_says_its_units_and_may_be_empty(clip, tmp_path):
    empty = point_cloud(torch.full((HEIGHT, WIDTH), torch.nan), camera_of(clip, 0))
    content = ply_chunks(empty, camera_of(clip, 0), torch.empty(0, 3).byte())
    path = written(tmp_path / "x.ply", content)
    assert len(read_ply(path).points) == 0
    assert b"comment units metres, x right, y up, z towards the viewer\n" in path.read_bytes()


# --- USD -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("step", [1, 3])
def test_a_usd_returns_to_every_picture(clip, tmp_path, points, step):
    path = write_clip_usd(clip, tmp_path / "x.usdc", points, step)
    for frame in range(FRAMES):
        shape, _ = found_in(clip, frame, point_cloud if points else surface, step)
        read = read_usd(path, frame + 1)
        assert np.array_equal(read.points.astype("f4"), shape.points.numpy())
        assert np.array_equal(read.triangles, shape.triangles.numpy())
        quality, covered = decibels(read, clip.rgb[frame].numpy())
        assert quality > 40 and covered > 0.9 / step**2
        _, distance = project(read, WIDTH, HEIGHT)
        np.testing.assert_allclose(distance, shape.depth.numpy(), rtol=1e-4)


def test_the_stage_has_units_axes_rate_camera_and_workflow(clip, tmp_path):
    from pxr import Usd, UsdGeom, UsdShade

    path = write_clip_usd(clip, tmp_path / "x.usdc", about={"prompt": "{}", "workflow": '{"a": 1}'})
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1 and UsdGeom.GetStageUpAxis(stage) == "Y"
    assert stage.GetTimeCodesPerSecond() == stage.GetFramesPerSecond() == RATE
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, FRAMES)
    assert stage.GetDefaultPrim().GetPath() == "/Geometry"
    assert dict(stage.GetRootLayer().customLayerData) == {"prompt": "{}", "workflow": '{"a": 1}'}
    mesh, camera = UsdGeom.Mesh.Get(stage, "/Geometry/Surface"), UsdGeom.Camera.Get(stage, "/Geometry/Camera")
    for attribute in (
        mesh.GetPointsAttr(),
        mesh.GetFaceVertexIndicesAttr(),
        mesh.GetDisplayColorAttr(),
        mesh.GetExtentAttr(),
    ):
        assert attribute.GetTimeSamples() == [1, 2, 3, 4]
    assert mesh.GetSubdivisionSchemeAttr().Get() == "none" and mesh.GetDoubleSidedAttr().Get()
    valid, why = UsdGeom.Mesh.ValidateTopology(
        mesh.GetFaceVertexIndicesAttr().Get(2), mesh.GetFaceVertexCountsAttr().Get(2), len(mesh.GetPointsAttr().Get(2))
    )
    assert valid, why
    lens = camera.GetCamera(1)
    assert abs(lens.horizontalAperture * 0.1 - 0.036) < 1e-7  # tenths of a metre: a film of 36 mm
    assert abs(np.radians(lens.GetFieldOfView(lens.FOVVertical)) - vertical_view(clip.camera)) < 1e-5
    assert lens.clippingRange.min < clip.depth.min() and lens.clippingRange.max > clip.depth.max()
    assert UsdShade.MaterialBindingAPI(mesh.GetPrim()).ComputeBoundMaterial()[0].GetPath() == "/Geometry/Look"


def test_usd_cores_own_checker_passes(clip, tmp_path):
    from pxr import Usd, UsdValidation

    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    assert len(validators) > 20
    for points in (False, True):
        path = write_clip_usd(clip, tmp_path / f"{points}.usdc", points)
        errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(path)))
        assert not [error.GetMessage() for error in errors]


def test_the_checker_would_complain(tmp_path):
    from pxr import Usd, UsdGeom, UsdValidation

    stage = Usd.Stage.CreateNew(str(tmp_path / "bad.usda"))
    UsdGeom.Mesh.Define(stage, "/Surface")
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert UsdValidation.ValidationContext(validators).Validate(stage)
