"""glTF 2.0 as one binary file (.glb): a surface or points, their colours, and the camera.

Letters: K points.
"""

import json
import struct
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..view.camera import Camera
from .surface import Surface
from .view import camera_to_world, vertical_view

VERTICES, INDICES = 34962, 34963  # what a view of the buffer holds
FLOAT, UINT = 5126, 5125  # kinds of numbers
POINTS, TRIANGLES = 0, 4  # kinds of primitives
SMOOTH = {"magFilter": 9729, "minFilter": 9729, "wrapS": 33071, "wrapT": 33071}  # linear; the border is not repeated


@dataclass
class Buffer:
    """The binary part of a file, with the tables that say what lies where."""

    chunks: list[bytes] = field(default_factory=list)
    views: list[dict] = field(default_factory=list)
    accessors: list[dict] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes, **about) -> int:
        """The number of the new view."""
        self.views.append({"buffer": 0, "byteOffset": self.size, "byteLength": len(data), **about})
        self.chunks += [data, bytes(-len(data) % 4)]
        self.size += len(data) + -len(data) % 4
        return len(self.views) - 1

    def add_numbers(self, values: np.ndarray, kind: str, bounds: bool = False) -> int:
        """The number of the new accessor, of floats or of indices."""
        floats = values.dtype == np.float32
        view = self.add(values.tobytes(), target=VERTICES if floats else INDICES)
        ends = {"min": values.min(0).tolist(), "max": values.max(0).tolist()} if bounds else {}
        about = {"bufferView": view, "componentType": FLOAT if floats else UINT, "count": len(values), "type": kind}
        self.accessors.append(about | ends)
        return len(self.accessors) - 1


def glb_chunks(
    surface: Surface,
    camera: Camera,
    colours: Tensor | None = None,
    texture: bytes | None = None,
    about: dict | None = None,
) -> list[bytes]:
    """The content of a file: a surface with (K, 3) linear colours, or with a PNG of the whole picture, and one camera.

    `about` goes where the host's own files carry the workflow.
    """
    buffer = Buffer()
    scene = {
        "asset": {"version": "2.0", "generator": "ComfyUI-Duet", **({"extras": about} if about else {})},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "Camera", "camera": 0, "matrix": camera_to_world(camera)[0].T.reshape(-1).tolist()}],
        "cameras": [lens(surface, camera)],
    }
    if len(surface.points):  # an accessor cannot be empty
        size = camera.height, camera.width
        scene |= {"meshes": [{"name": "Surface", "primitives": [primitive(buffer, surface, size, colours, texture)]}]}
        scene |= {"materials": [material(texture is not None)]}
        scene |= picture(buffer, texture) if texture is not None else {}
        scene["nodes"].append({"name": "Surface", "mesh": 0})
        scene["scenes"][0]["nodes"].append(1)
        scene |= {"buffers": [{"byteLength": buffer.size}], "bufferViews": buffer.views, "accessors": buffer.accessors}
    return framed(scene, buffer)


def primitive(
    buffer: Buffer, surface: Surface, size: tuple[int, int], colours: Tensor | None, texture: bytes | None
) -> dict:
    """The mesh as numbers in the buffer; a texture has `size` (H, W)."""
    attributes = {"POSITION": buffer.add_numbers(floats(surface.points), "VEC3", bounds=True)}
    if texture is None:
        attributes["COLOR_0"] = buffer.add_numbers(floats(colours), "VEC3")
    else:
        attributes["TEXCOORD_0"] = buffer.add_numbers(floats(places(surface.pixels, size)), "VEC2")
    drawn = {"attributes": attributes, "material": 0, "mode": TRIANGLES if len(surface.triangles) else POINTS}
    if len(surface.triangles):
        drawn["indices"] = buffer.add_numbers(surface.triangles.reshape(-1).numpy().astype("<u4"), "SCALAR")
    return drawn


def floats(values: Tensor) -> np.ndarray:
    return values.numpy().astype("<f4")


def places(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(K,) pixels of a picture (H, W) to (K, 2) places in it, from 0 at the left and at the top to 1."""
    height, width = size
    return torch.stack(((pixels % width + 0.5) / width, (pixels // width + 0.5) / height), -1)


def lens(surface: Surface, camera: Camera) -> dict:
    """The camera; it draws from a hundredth of the nearest distance to ten times the farthest."""
    depth = surface.depth if len(surface.depth) else torch.tensor([1.0, 100.0])
    near, far = float(depth.min()) / 100, float(depth.max()) * 10
    view = {"yfov": vertical_view(camera), "aspectRatio": camera.width / camera.height, "znear": near, "zfar": far}
    return {"name": "Camera", "type": "perspective", "perspective": view}


def material(textured: bool) -> dict:
    """The colours as they were filmed, without the light of a scene, from both sides."""
    look = {"metallicFactor": 0.0, "roughnessFactor": 1.0} | ({"baseColorTexture": {"index": 0}} if textured else {})
    return {"pbrMetallicRoughness": look, "extensions": {"KHR_materials_unlit": {}}, "doubleSided": True}


def picture(buffer: Buffer, texture: bytes) -> dict:
    """The tables of one texture."""
    return {
        "images": [{"bufferView": buffer.add(texture), "mimeType": "image/png"}],
        "samplers": [SMOOTH],
        "textures": [{"source": 0, "sampler": 0}],
    }


def framed(scene: dict, buffer: Buffer) -> list[bytes]:
    """Head, description and binary part, as they follow each other in the file."""
    words = json.dumps(scene).encode()
    words += b" " * (-len(words) % 4)
    binary = [struct.pack("<I4s", buffer.size, b"BIN\0"), *buffer.chunks] if buffer.size else []
    total = 12 + 8 + len(words) + sum(map(len, binary))
    return [struct.pack("<4sII", b"glTF", 2, total), struct.pack("<I4s", len(words), b"JSON"), words, *binary]
