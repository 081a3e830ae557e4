"""One reader for what people own: which family a file is, its shape, and its weights in VideoUNet's names.

files.py   reading and writing; what is wrong with a damaged file
family.py  telling the families apart, and refusing the wrong ones by name
shape.py   the network's shape from its tensors
ldm.py     names of single checkpoint files in diffusers' words
report.py  what was found, in a paragraph
convert.py any of them as a Duet file
opening.py the three ways to open a file and the check that every weight fits
"""

from .convert import convert
from .files import save_model
from .opening import open_controlnet, open_model, open_motion_module
from .report import Report

__all__ = ["Report", "convert", "open_controlnet", "open_model", "open_motion_module", "save_model"]
