"""Latent flow models: loaded, conditioned, decoded, rendered."""

from .conditioning import EncodeStill
from .latent import DecodeFlow
from .loaders import LoadFlowAutoencoder, LoadFlowModel
from .render import AnimateStill

NODES = [
    LoadFlowModel,
    LoadFlowAutoencoder,
    EncodeStill,
    DecodeFlow,
    AnimateStill,
]
