"""The synthetic stage."""

from .stage import RenderStage
from .truth import StageTruth

NODES = [RenderStage, StageTruth]
