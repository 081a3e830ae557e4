"""How good a clip is."""

from .clip_score import FrameConsistency, TextAlignment
from .clips import CompareClips
from .depth import DepthAgreement
from .flicker import FlowWarpError

NODES = [FrameConsistency, TextAlignment, FlowWarpError, DepthAgreement, CompareClips]
