"""A clip with depth seen by another camera: a second eye, a moved camera, depth of field."""

from .focus import DepthOfField
from .move import MoveCamera
from .stereo import StereoFromDepth

NODES = [StereoFromDepth, MoveCamera, DepthOfField]
