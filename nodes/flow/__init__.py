"""Flow: estimated, shown, moved by, composed, in files and as tensors."""

from .compose import ComposeFlows
from .drawing import FlowToPicture
from .estimate import EstimateFlow
from .files import LoadFlow, SaveFlow
from .tensors import FlowFromTensor, FlowToTensor
from .warp import WarpByFlow

NODES = [EstimateFlow, FlowToPicture, WarpByFlow, ComposeFlows, SaveFlow, LoadFlow, FlowToTensor, FlowFromTensor]
