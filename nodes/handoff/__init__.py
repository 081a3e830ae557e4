"""Depth and layers in the files of other programs."""

from .layers import SaveLayers
from .load import LoadDepth
from .save import SaveDepth

NODES = [SaveDepth, LoadDepth, SaveLayers]
