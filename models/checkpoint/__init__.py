"""One reader for what people own: which family a file is, its shape, and its weights in VideoUNet's names.

files.py   reading and writing; what is wrong with a damaged file
family.py  telling the families apart, and refusing the wrong ones by name
shape.py   the network's shape from its tensors
ldm.py     names of single checkpoint files in diffusers' words
report.py  what was found, in a paragraph
about.py   what a network makes and reads, in sentences
convert.py any of them as a Duet file
opening.py the three ways to open a file and the check that every weight fits
folder.py  folders in diffusers' form and what lies beside the weights in them
tuned.py   which weights a one-shot tuning is made of, and their names
one_shot.py tunings as files of their own, put into the base that they were tuned on
character.py character models, whole or in the files that MIMO was released in
"""

from .character import open_character
from .convert import convert
from .files import save_model
from .folder import save_folder
from .one_shot import Tuning, add_tuning, save_tuning
from .opening import open_controlnet, open_model, open_motion_module
from .report import Report

__all__ = [
    "Report", "Tuning", "add_tuning", "convert", "open_character", "open_controlnet", "open_model",
    "open_motion_module", "save_folder", "save_model", "save_tuning",
]  # fmt: skip
