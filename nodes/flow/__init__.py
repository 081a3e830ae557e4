"""Flow: estimated, drawn, warped by, composed, in files and as tensors."""

from .compose import ComposeFlows
from .drawing import DrawFlow
from .estimate import EstimateFlow
from .files import LoadFlow, SaveFlow
from .painted import ColorWheelToFlow
from .tensors import FlowToTensor, TensorToFlow
from .warp import WarpByFlow

NODES = [
    EstimateFlow, DrawFlow, WarpByFlow, ComposeFlows, SaveFlow, LoadFlow, FlowToTensor, TensorToFlow, ColorWheelToFlow,
]  # fmt: skip
