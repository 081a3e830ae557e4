"""The synthetic stage."""

from .stage import RenderTestVideo
from .truth import GroundTruth

NODES = [RenderTestVideo, GroundTruth]
