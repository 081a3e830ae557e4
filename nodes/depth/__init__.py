"""Depth pictures: normalised, made steady, remapped, edited, matched, as heat maps and as masks."""

from .edit import BlendDepth, MoveObjectInDepth
from .heat_map import DepthToHeatMap, HeatMapToDepth
from .match import MaskByDepth, MatchDepth
from .normalize import NormalizeDepth
from .remap import RemapDepth
from .steady import SteadyDepth

NODES = [
    NormalizeDepth, RemapDepth, DepthToHeatMap, HeatMapToDepth, MoveObjectInDepth, BlendDepth, MatchDepth, MaskByDepth,
    SteadyDepth,
]  # fmt: skip
