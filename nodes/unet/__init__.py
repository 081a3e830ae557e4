"""Video models: loaded, given motion, LoRAs and a pose ControlNet."""

from .controlnet import LoadPoseControlNet
from .loaders import LoadVideoModel
from .lora import LoadVideoLora
from .motion_module import LoadMotionModule

NODES = [LoadVideoModel, LoadMotionModule, LoadVideoLora, LoadPoseControlNet]
