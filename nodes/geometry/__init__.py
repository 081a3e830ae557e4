"""Moving geometry: a clip and its depth as surfaces and points for 3-D programs."""

from .mesh import DepthToMesh
from .save import SaveGeometry

NODES = [SaveGeometry, DepthToMesh]
