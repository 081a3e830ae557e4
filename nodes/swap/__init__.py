"""What a swap needs around any generator: the reference framed, its pictures and masks, colours matched, chunks joined."""

from .chunks import JoinChunks
from .colours import MatchColors
from .generators import ScailInputs, VaceInputs, WanAnimateInputs
from .reference import FitReference

NODES = [FitReference, WanAnimateInputs, ScailInputs, VaceInputs, MatchColors, JoinChunks]
