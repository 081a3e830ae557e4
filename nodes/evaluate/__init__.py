"""How good a clip is."""

from .clip_score import MeasureConsistency, MeasureTextAlignment
from .clips import CompareVideos
from .depth import CompareDepth
from .flicker import MeasureFlicker
from .sets import CompareSets

NODES = [CompareVideos, CompareDepth, MeasureFlicker, MeasureConsistency, MeasureTextAlignment, CompareSets]
