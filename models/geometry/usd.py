"""USD: a moving surface or cloud of points with colours and its camera, written frame after frame.

The library usd-core is optional, so it is imported where it is used. Letters: K points, T triangles.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..view.camera import Camera
from .surface import Surface
from .view import camera_to_world

MISSING = "USD needs the package usd-core, which is not installed: run `pip install usd-core`, or choose glb or ply."
FILM = 0.036  # metres: how wide the film of a full-frame camera is
TENTHS = 10  # USD measures lens and film in tenths of the scene's unit
ROOT = "/Geometry"
LITTLE = 2**20  # bytes: a disk with less room is full


def import_pxr() -> ModuleType:
    """usd-core's package, or a sentence that says how to get it."""
    try:
        import pxr
        from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, Vt  # noqa: F401
    except ImportError as error:
        raise ValueError(MISSING) from error
    return pxr


class UsdFile:
    """One file that grows by a frame at a time; each is on the disk before the next, so that memory stays flat."""

    def __init__(self, path: Path, name: Path, frame_rate: float, points: bool, about: dict):
        """`path` is where to write, `name` what sentences call the file; `points` writes no triangles."""
        self.pxr, self.name, self.is_points = import_pxr(), name, points
        self.times, self.ends = [], (np.inf, 0.0)
        usd_geom = self.pxr.UsdGeom
        with self.failing():
            self.stage = self.pxr.Usd.Stage.CreateNew(str(path))
            self.describe(frame_rate, about)
            self.shape = (usd_geom.Points if points else usd_geom.Mesh).Define(self.stage, f"{ROOT}/Surface")
            if not points:
                self.shape.CreateSubdivisionSchemeAttr(usd_geom.Tokens.none)
                self.shape.CreateDoubleSidedAttr(True)
            self.camera = usd_geom.Camera.Define(self.stage, f"{ROOT}/Camera")
            self.placed = self.camera.AddTransformOp()
            self.paint()

    def __enter__(self) -> "UsdFile":
        return self

    def __exit__(self, *error) -> None:
        """Lets go of the file, which may be renamed then on every system."""
        self.stage = self.shape = self.camera = self.placed = None

    def describe(self, frame_rate: float, about: dict) -> None:
        """Units, axes and rate of the stage; `about` is kept as the layer's own data."""
        usd_geom, stage = self.pxr.UsdGeom, self.stage
        usd_geom.SetStageMetersPerUnit(stage, 1.0)
        usd_geom.SetStageUpAxis(stage, usd_geom.Tokens.y)
        stage.SetTimeCodesPerSecond(frame_rate)
        stage.SetFramesPerSecond(frame_rate)
        stage.SetDefaultPrim(usd_geom.Xform.Define(stage, ROOT).GetPrim())
        layer = stage.GetRootLayer()
        layer.comment = "Written by ComfyUI-Duet: metres, x right, y up, z towards the viewer."
        layer.customLayerData = about

    def paint(self) -> None:
        """A material that shows the colours of the points as they were filmed, without the light of a scene."""
        shade, types = self.pxr.UsdShade, self.pxr.Sdf.ValueTypeNames
        look = shade.Material.Define(self.stage, f"{ROOT}/Look")
        shader = shade.Shader.Define(self.stage, f"{ROOT}/Look/Surface")
        colour = shade.Shader.Define(self.stage, f"{ROOT}/Look/Colour")
        shader.CreateIdAttr("UsdPreviewSurface")
        colour.CreateIdAttr("UsdPrimvarReader_float3")
        colour.CreateInput("varname", types.String).Set("displayColor")
        read = colour.CreateOutput("result", types.Float3)
        shader.CreateInput("diffuseColor", types.Color3f).Set(self.pxr.Gf.Vec3f(0))
        shader.CreateInput("emissiveColor", types.Color3f).ConnectToSource(read)
        shader.CreateInput("roughness", types.Float).Set(1.0)
        look.CreateSurfaceOutput().ConnectToSource(shader.CreateOutput("surface", types.Token))
        shade.MaterialBindingAPI.Apply(self.shape.GetPrim()).Bind(look)

    def add(self, time: float, surface: Surface, colours: Tensor, camera: Camera, step: int) -> None:
        """One frame: its surface, (K, 3) linear colours and the camera; a point is as wide as `step` pixels there."""
        with self.failing():
            self.add_shape(time, surface, colours)
            if self.is_points:
                widths = surface.depth * (step / camera.focal)
                self.shape.CreateWidthsAttr().Set(self.pxr.Vt.FloatArray.FromNumpy(widths.numpy()), time)
            else:
                self.add_triangles(time, surface.triangles)
            self.add_camera(time, camera)
            self.finish(time, surface.depth)

    def add_shape(self, time: float, surface: Surface, colours: Tensor) -> None:
        """The points and their colours."""
        points = vectors(self.pxr, surface.points)
        self.shape.CreatePointsAttr().Set(points, time)
        box = self.pxr.UsdGeom.PointBased.ComputeExtent(points)
        self.shape.CreateExtentAttr().Set(box, time)
        primvar = self.shape.CreateDisplayColorPrimvar(self.pxr.UsdGeom.Tokens.vertex)
        primvar.Set(vectors(self.pxr, colours), time)

    def add_triangles(self, time: float, triangles: Tensor) -> None:
        """Which points each triangle connects, which is another set in each frame."""
        numbers = lambda values: self.pxr.Vt.IntArray.FromNumpy(values.int().numpy())
        self.shape.CreateFaceVertexCountsAttr().Set(numbers(torch.full((len(triangles),), 3)), time)
        self.shape.CreateFaceVertexIndicesAttr().Set(numbers(triangles.reshape(-1)), time)

    def add_camera(self, time: float, camera: Camera) -> None:
        """Where the camera is, looking along its -z."""
        rows = camera_to_world(camera)[0].T.double().tolist()  # USD multiplies rows
        self.placed.Set(self.pxr.Gf.Matrix4d(rows), time)
        if not self.times:
            self.camera.CreateHorizontalApertureAttr(FILM * TENTHS)
            self.camera.CreateVerticalApertureAttr(FILM * TENTHS * camera.height / camera.width)
            self.camera.CreateFocalLengthAttr(FILM * TENTHS * camera.focal / camera.width)

    def finish(self, time: float, depth: Tensor) -> None:
        """Writes what the file has so far to the disk, with a range that holds it."""
        self.times.append(time)
        self.stage.SetStartTimeCode(self.times[0])
        self.stage.SetEndTimeCode(time)
        if len(depth):
            self.ends = min(self.ends[0], float(depth.min())), max(self.ends[1], float(depth.max()))
            self.camera.CreateClippingRangeAttr(self.pxr.Gf.Vec2f(self.ends[0] / 100, self.ends[1] * 10))
        if not self.stage.GetRootLayer().Save():
            raise RuntimeError("usd-core reported no success")

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Every error of usd-core as one sentence."""
        try:
            yield
        except (RuntimeError, OSError) as error:  # usd-core's own errors are RuntimeErrors
            raise ValueError(
                f"{self.name} could not be written ({reason(error, self.name.parent)}), and nothing of it is left: make room "
                "on that disk, or choose another folder in filename_prefix."
            ) from error


def reason(error: Exception, folder: Path) -> str:
    """What usd-core says in its trace; on a full disk it only says that the file cannot be read back."""
    if folder.is_dir() and shutil.disk_usage(folder).free < LITTLE:
        return os.strerror(errno.ENOSPC)
    return (re.findall("'([^']*)'", str(error)) or [str(error).strip()])[-1]


def vectors(pxr: ModuleType, values: Tensor):
    """(K, 3) as USD's array."""
    return pxr.Vt.Vec3fArray.FromNumpy(values.float().contiguous().numpy())
