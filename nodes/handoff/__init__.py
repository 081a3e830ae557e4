"""Depth and layers in the files of other programs."""

from .load import LoadDepth
from .save import SaveDepth

NODES = [SaveDepth, LoadDepth]
