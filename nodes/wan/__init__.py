"""The pair on Wan 2.2: a video and one modality of it, from weights that are public."""

from .loaders import LoadWanPair
from .prompts import EncodeWanPrompt

NODES = [LoadWanPair, EncodeWanPrompt]
