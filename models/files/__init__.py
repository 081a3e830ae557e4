"""One reader for what people own: which family a file is, its shape, and its weights in VideoUNet's names."""

from .character import open_character
from .convert import convert
from .folder import save_folder
from .opening import open_controlnet, open_model, open_motion_module
from .report import Report
from .writing import save_model

__all__ = [
    "Report", "convert", "open_character", "open_controlnet", "open_model", "open_motion_module", "save_folder",
    "save_model",
]  # fmt: skip
