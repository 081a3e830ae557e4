"""PLY, binary: a cloud of coloured points.

Letters: K points.
"""

import numpy as np
from torch import Tensor

from ..view.camera import Camera
from .surface import Surface

FIELDS = [*((axis, "<f4") for axis in "xyz"), *((colour, "u1") for colour in ("red", "green", "blue"))]
NAMES = {"<f4": "float", "u1": "uchar"}


def ply_chunks(cloud: Surface, camera: Camera, colours: Tensor) -> list[bytes]:
    """The content of a file: points with (K, 3) colours in bytes."""
    vertices = np.empty(len(cloud.points), FIELDS)
    for column, (name, _) in enumerate(FIELDS):
        source = cloud.points if column < 3 else colours
        vertices[name] = source[:, column % 3].numpy()
    return [head(len(vertices), camera), vertices.tobytes()]


def head(count: int, camera: Camera) -> bytes:
    """What a reader needs, and in comments what the format has no place for."""
    numbers = lambda values: " ".join(f"{value:.9g}" for value in values)
    lines = (
        "ply",
        "format binary_little_endian 1.0",
        "comment written by ComfyUI-Duet",
        "comment units metres, x right, y up, z towards the viewer",
        f"comment camera picture {camera.width} x {camera.height}, focal length {camera.focal:.9g} pixels",
        f"comment camera position {numbers(camera.position[0].tolist())}",
        f"comment camera world to camera (x right, y down, z forward) {numbers(camera.rotation[0].reshape(-1).tolist())}",
        f"element vertex {count}",
        *(f"property {NAMES[kind]} {name}" for name, kind in FIELDS),
        "end_header",
    )
    return "\n".join(lines).encode() + b"\n"
