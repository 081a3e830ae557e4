"""Depth as distances in metres with the camera's focal length, whatever it came as: the inputs and how they are read.

Letters: N frames, H and W pixels.
"""

import math
from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import DEPTH_POLARITIES, DEPTH_SCALES
from ..host.types import DA3Geometry, MoGeGeometry
from .video import clip_input

FIELD_OF_VIEW = 50.0  # degrees, where neither the artist nor the geometry names one
NARROWEST = 0.01  # degrees: a longer lens than any


@dataclass(frozen=True)
class Distances:
    """A clip's distances, where they are known, and the focal length of the camera."""

    depth: Tensor  # (N, H, W) metres along the optical axis, NaN where not known
    focal: float  # pixels; the principal point is the picture's middle

    @property
    def known(self) -> Tensor:
        """(N, H, W) bool."""
        return torch.isfinite(self.depth)


def distance_inputs() -> list:
    """The inputs that read_distances takes."""
    option = io.DynamicCombo.Option
    greys = [
        io.Float.Input(
            "near_depth", default=1.0, min=0.001, max=1000000.0, step=0.01,
            tooltip="Distance of the nearest grey in metres. Normalize Depth gives it as near_depth.",
        ),
        io.Float.Input(
            "far_depth", default=10.0, min=0.001, max=1000000.0, step=0.01,
            tooltip="Distance of the farthest grey in metres. Normalize Depth gives it as far_depth.",
        ),
        io.Combo.Input(
            "depth_scale", options=list(DEPTH_SCALES), default="inverse",
            tooltip="How the greys were made from distances. inverse: in proportion to 1 / distance, as most depth "
            "estimators do. linear: in proportion to the distance.",
        ),
    ]  # fmt: skip
    return [
        clip_input(
            "depth", DA3Geometry, MoGeGeometry,
            tooltip="Depth of the clip, of the same frames and size: grey pictures, or the geometry of Depth Anything 3 "
            "or MoGe, which brings distances.",
        ),
        io.DynamicCombo.Input(
            "depth_type", options=[option(polarity, greys) for polarity in DEPTH_POLARITIES] + [option("distance", [])],
            tooltip="What the numbers of a depth picture mean. near is white: as in this pack and for ControlNet. far is "
            "white: as in compositing. distance: metres, where 0 means unknown. Geometry always counts as distance.",
        ),
        io.Float.Input(
            "field_of_view", default=0.0, min=0.0, max=170.0, step=0.1,
            tooltip="Horizontal field of view of the camera in degrees: about 65 for a phone, 40 for a portrait lens. 0: "
            f"that of the geometry, or {FIELD_OF_VIEW:g} where there is none.",
        ),
    ]  # fmt: skip


def read_distances(depth: Tensor | dict, depth_type: dict, field_of_view: float, name: str = "depth") -> Distances:
    """What distance_inputs() give, as distances of the whole clip; refuses a frame in which no distance is known."""
    metres = metres_of(depth, depth_type, name)
    for index, frame in enumerate(metres):
        known_distances(frame, index, name)
    return Distances(metres, focal_length(depth, field_of_view, metres.shape[-1]))


def known_distances(metres: Tensor, index: int, name: str = "depth") -> Tensor:
    """(K,) distances of a frame (H, W) that are known; a frame without any is refused."""
    known = metres[torch.isfinite(metres)]
    if not len(known):
        raise ValueError(
            f"{name}: expected a distance above 0 in every frame, got none in frame {index}: every pixel there is zero, "
            "negative, sky or not a number; check depth_type and what the depth comes from."
        )
    return known


def metres_of(depth: Tensor | dict, depth_type: dict, name: str = "depth") -> Tensor:
    """(N, H, W) distances in metres of what distance_inputs() give, NaN where not known."""
    from ...models.depth.distance import distance_of
    from ...models.depth.range import valid_pixels
    from .depth import grey, read_depth

    kind = depth_type["depth_type"]
    if isinstance(depth, dict) or kind == "distance":
        metres, valid, _ = read_depth(depth, "distance", name)
        return metres.float().where(valid & valid_pixels(metres, "distance"), torch.nan)
    ends = depth_type["near_depth"], depth_type["far_depth"]
    return distance_of(grey(depth, name), *ends, kind, depth_type["depth_scale"])


def one_frame(depth: Tensor | dict, index: int) -> Tensor | dict:
    """One frame of a depth picture or of a geometry, for clips that are read without a copy."""
    if not isinstance(depth, dict):
        return depth[index : index + 1]
    planes = {
        name: depth[name][index : index + 1]
        for name in ("depth", "mask", "sky")
        if isinstance(depth.get(name), Tensor) and depth[name].ndim == 3 and len(depth[name]) > 1
    }
    return depth | planes


def focal_length(depth: Tensor | dict, field_of_view: float, width: int) -> float:
    """The focal length in pixels by the artist's field of view, else the geometry's, else FIELD_OF_VIEW."""
    if 0 < field_of_view < NARROWEST:
        raise ValueError(
            f"field_of_view: expected 0, or at least {NARROWEST} degrees, got {field_of_view:g}: set it to 0 if it is not known."
        )
    if not field_of_view and isinstance(depth, dict) and isinstance(depth.get("intrinsics"), Tensor):
        matrices = depth["intrinsics"].reshape(-1, 3, 3).double().cpu()
        # Intrinsics in parts of the picture (MoGe) and in pixels of the network (Depth Anything 3) alike: both have the
        # principal point in the middle, so the focal length is measured against it.
        middle = matrices[:, 0, 2]
        if (middle == (width - 1) / 2).all():  # pixels counted at their centres, as a test video has them
            middle = middle + 0.5
        if (middle > 0).all() and torch.isfinite(matrices).all():
            return float((matrices[:, 0, 0] / middle).median()) * width / 2
    return width / 2 / math.tan(math.radians(field_of_view or FIELD_OF_VIEW) / 2)
