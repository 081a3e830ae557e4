"""Depth pictures: normalised, remapped, edited, matched, as heat maps."""

from .edit import BlendDepth, MoveInDepth
from .heat_map import DepthToHeatMap, HeatMapToDepth
from .match import MatchDepth
from .normalize import NormalizeDepthClip
from .remap import RemapDepth

NODES = [NormalizeDepthClip, RemapDepth, DepthToHeatMap, HeatMapToDepth, MoveInDepth, BlendDepth, MatchDepth]
