"""The synthetic stage."""

from .stage import RenderStageClip

NODES = [RenderStageClip]
