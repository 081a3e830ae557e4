"""Model files: converted and saved."""

from .convert import ConvertCheckpoint
from .save import SaveVideoModel

NODES = [SaveVideoModel, ConvertCheckpoint]
