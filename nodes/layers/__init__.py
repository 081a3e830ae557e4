"""Layers of a clip: masked, decomposed, edited, split, filled, composited, cropped."""

from .composite import CompositeLayers
from .crop import CropToSubject, PasteCrop
from .decompose import DecomposeLayers, EditLayers
from .motion import MaskByMotion
from .people import SelectPerson
from .regions import ColorsToMasks
from .scene import FillScene
from .shadow import CastShadow, ShadowOfPerson
from .split import SplitLayers

NODES = [
    DecomposeLayers,
    EditLayers,
    SplitLayers,
    FillScene,
    CompositeLayers,
    CropToSubject,
    PasteCrop,
    MaskByMotion,
    ColorsToMasks,
    ShadowOfPerson,
    CastShadow,
    SelectPerson,
]
