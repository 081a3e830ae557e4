"""Depth as it is stored, and back: distances and greys with their near and far, one frame at a time.

Letters: H and W pixels.
"""

import torch
from torch import Tensor

from ..depth.distance import distance_of
from ..depth.range import relative_depth, valid_pixels
from .names import DISTANCE, FAR_IS_WHITE, FARTHEST, NEAR_IS_WHITE
from .note import IN_METRES, DepthNote

NOTHING = 1e9  # and more: what renderers write where a ray meets nothing, Blender 1e10
DEPTH_SCALE_OF = {NEAR_IS_WHITE: "inverse", FAR_IS_WHITE: "linear"}


def stored_distance(metres: Tensor, note: DepthNote) -> Tensor:
    """(H, W) distances in metres, NaN where unknown, as the numbers that the note describes."""
    known = torch.isfinite(metres)
    values = metres / IN_METRES[note.units] if note.units != "metres" else metres
    if note.depth_type == DISTANCE:
        return values.where(known, note.far_depth if note.unknown_depth == FARTHEST else 0.0)
    unknown = None if note.unknown_depth == FARTHEST else 0.0
    return grey_of_distance(values, note.near_depth, note.far_depth, note.depth_type, note.depth_scale, unknown)


def grey_of_distance(
    values: Tensor, near: float, far: float, polarity: str, depth_scale: str = "", unknown: float | None = None
) -> Tensor:
    """(H, W) distances, NaN where unknown, as greys between near and far; unknown ones get the far end or `unknown`.

    Where no scale is given it is inverse for near is white, as depth estimators and ControlNets have it, and linear for far is
    white, as compositors have it.
    """
    depth_scale = depth_scale or DEPTH_SCALE_OF[polarity]
    position = relative_depth(values, near, far, depth_scale, 1).float()
    grey = 1 - position if polarity == NEAR_IS_WHITE else position
    far_end = 0.0 if polarity == NEAR_IS_WHITE else 1.0
    return grey.where(torch.isfinite(values), far_end if unknown is None else unknown)


def turned(grey: Tensor, polarity: str, other: str) -> Tensor:
    """(H, W) greys of one polarity in another."""
    return grey if polarity == other else 1 - grey


def read_distance(values: Tensor, note: DepthNote) -> Tensor:
    """(H, W) numbers of a file as distances in metres, NaN where unknown."""
    if note.depth_type != DISTANCE:
        metres = IN_METRES[note.units]
        ends = note.near_depth * metres, note.far_depth * metres
        return distance_of(values, *ends, note.depth_type, note.depth_scale)
    known = valid_pixels(values, DISTANCE) & (values < NOTHING)
    scale = IN_METRES[note.units]
    return (values * scale if scale != 1 else values).where(known, torch.nan)


def ends_in_metres(note: DepthNote) -> tuple[float, float]:
    """Near and far of a note in metres."""
    return note.near_depth * IN_METRES[note.units], note.far_depth * IN_METRES[note.units]
