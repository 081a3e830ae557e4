"""What a swap needs around any generator: the reference framed, colours matched, chunks joined."""

from .chunks import JoinChunks
from .colours import MatchColors
from .reference import FitReference

NODES = [FitReference, MatchColors, JoinChunks]
