"""Latent flow models: loaded, told, decoded, painted."""

from .conditioning import EncodeMotionText, EncodePictureForFlow
from .latent import DecodeFlow
from .loaders import LoadFlowCodec, LoadFlowModel
from .render import RenderFlowVideo

NODES = [
    LoadFlowModel,
    LoadFlowCodec,
    EncodePictureForFlow,
    EncodeMotionText,
    DecodeFlow,
    RenderFlowVideo,
]
