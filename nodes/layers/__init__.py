"""Layers of a clip: taken apart, completed, cropped, put together."""

from .composite import CompositeLayers
from .crop import CropToSubject, PasteBack
from .decompose import DecomposeLayers, EditLayers
from .scene import CompleteScene
from .split import SplitLayers

NODES = [DecomposeLayers, EditLayers, SplitLayers, CompleteScene, CompositeLayers, CropToSubject, PasteBack]
