"""The character model: its files, its conditioning, pictures of the body, and poses fitted to a character."""

from .align import AlignPose
from .body import DrawBody
from .loaders import LoadCharacterModel
from .swap import EncodeSwap

NODES = [LoadCharacterModel, EncodeSwap, DrawBody, AlignPose]
