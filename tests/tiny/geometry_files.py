"""Files of geometry as other libraries read them, and their points projected back into the picture they came from."""

import re
from dataclasses import dataclass

import numpy as np


@dataclass
class Read:
    """One frame of a file: points in the world, colours as in a picture, and the camera, which looks along -z, y up."""

    points: np.ndarray  # (K, 3)
    colours: np.ndarray  # (K, 3) from 0 to 1
    triangles: np.ndarray  # (T, 3)
    place: np.ndarray  # (4, 4) camera to world, for columns
    slopes: tuple[float, float]  # half of the picture's width and height at distance 1


def read_glb(path) -> Read:
    """By trimesh."""
    import trimesh

    scene = trimesh.load_scene(path, process=False)
    (shape,) = scene.geometry.values()
    across, down = np.radians(scene.camera.fov)  # trimesh keeps the aspect as the quotient of the angles
    half = np.tan(down / 2)
    slopes = half * across / down, half
    return Read(np.asarray(shape.vertices), glb_colours(shape), np.asarray(shape.faces), scene.camera_transform, slopes)


def glb_colours(shape) -> np.ndarray:
    """The picture's values at the corners, from the texture or from linear numbers."""
    visual = shape.visual
    if visual.uv is None:
        return encoded(np.asarray(visual.vertex_attributes["color"])[:, :3])
    picture = np.asarray(visual.material.baseColorTexture.convert("RGB")) / 255
    across, up = visual.uv.T  # trimesh counts from the bottom
    column, row = across * picture.shape[1] - 0.5, (1 - up) * picture.shape[0] - 0.5
    return picture[row.round().astype(int), column.round().astype(int)]


def read_ply(path) -> Read:
    """By plyfile, with the camera from the comments."""
    from plyfile import PlyData

    file = PlyData.read(str(path))
    vertex = file["vertex"]
    stack = lambda names: np.stack([np.asarray(vertex[name]) for name in names], -1)
    numbers = {}
    for comment in file.comments:
        if match := re.match(r"camera (picture|position|world to camera)\D*(.*)", comment):
            numbers[match[1]] = [float(value) for value in re.findall(r"-?\d[\d.e+-]*", comment)]
    width, height, focal = numbers["picture"]
    place = np.eye(4)
    place[:3, :3] = np.reshape(numbers["world to camera"], (3, 3)).T * [1, -1, -1]
    place[:3, 3] = numbers["position"]
    slopes = width / 2 / focal, height / 2 / focal
    return Read(stack("xyz"), stack(("red", "green", "blue")) / 255, np.empty((0, 3), int), place, slopes)


def read_usd(path, time: float) -> Read:
    """By usd-core, at a time."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(path))
    prims = {prim.GetTypeName(): prim for prim in stage.Traverse()}
    shape = prims.get("Mesh") or prims["Points"]
    triangles = np.empty((0, 3), int)
    if shape.IsA(UsdGeom.Mesh):
        mesh = UsdGeom.Mesh(shape)
        assert set(mesh.GetFaceVertexCountsAttr().Get(time)) <= {3}
        triangles = np.asarray(mesh.GetFaceVertexIndicesAttr().Get(time)).reshape(-1, 3)
    based, cache = UsdGeom.PointBased(shape), UsdGeom.XformCache(time)
    to_world = np.asarray(cache.GetLocalToWorldTransform(shape)).T
    points = np.asarray(based.GetPointsAttr().Get(time)).reshape(-1, 3) @ to_world[:3, :3].T + to_world[:3, 3]
    colours = np.asarray(UsdGeom.PrimvarsAPI(shape).GetPrimvar("displayColor").Get(time)).reshape(-1, 3)
    lens = UsdGeom.Camera(prims["Camera"]).GetCamera(time)
    place = np.asarray(lens.transform).T
    slopes = tuple(side / 2 / lens.focalLength for side in (lens.horizontalAperture, lens.verticalAperture))
    return Read(points, encoded(colours), triangles, place, slopes)


def encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light to a picture's values (sRGB)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def project(read: Read, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """(K, 2) columns and rows in the picture, and (K,) distances in front of the camera."""
    seen = (read.points - read.place[:3, 3]) @ read.place[:3, :3]
    distance = -seen[:, 2]
    across, up = seen[:, 0] / distance / read.slopes[0], seen[:, 1] / distance / read.slopes[1]
    return np.stack(((across + 1) / 2 * width - 0.5, (1 - up) / 2 * height - 0.5), -1), distance


def draw(read: Read, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) picture of the nearest points, and (H, W) where there is one."""
    places, distance = project(read, width, height)
    column, row = places.round().astype(int).T
    inside = (distance > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    order = np.argsort(-distance[inside])  # the nearest is written last
    picture, seen = np.zeros((height, width, 3)), np.zeros((height, width), bool)
    picture[row[inside][order], column[inside][order]] = read.colours[inside][order]
    seen[row[inside], column[inside]] = True
    return picture, seen


def decibels(read: Read, picture: np.ndarray) -> tuple[float, float]:
    """How near the drawn points are to (H, W, 3), where there are any, and the part of the picture that is covered."""
    drawn, seen = draw(read, picture.shape[1], picture.shape[0])
    error = ((drawn - picture)[seen] ** 2).mean()
    return -10 * np.log10(max(error, 1e-12)), seen.mean()
