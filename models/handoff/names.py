"""Names that nodes offer, apart from what they name: the host reads them at its start, which stays fast."""

from typing import NamedTuple

from ..choices import DEPTH_TYPES

NEAR_IS_WHITE, FAR_IS_WHITE, DISTANCE = DEPTH_TYPES
METRES, CENTIMETRES, RELATIVE = UNITS = ("metres", "centimetres", "relative")
FARTHEST, ZERO = UNKNOWN = ("farthest", "zero")
Z, DEPTH_Z, GREY = DEPTH_CHANNELS = ("Z", "depth.Z", "R, G, B")
ZIP, PIZ, NONE, DWAA = COMPRESSIONS = ("ZIP", "PIZ", "none", "DWAA")
FFV1, PRORES_4444, PRORES_422 = VIDEO_FORMATS = ("FFV1 16 bit", "ProRes 4444", "ProRes 422 HQ")
EXR_FLOAT, EXR_HALF, PNG = "EXR float", "EXR half", "PNG 16 bit"
FILE_FORMATS = (EXR_FLOAT, EXR_HALF, PNG, *VIDEO_FORMATS)
READ_ENDINGS = (".exr", ".png", ".mkv", ".mov", ".mp4", ".avi")
CUSTOM = "custom"


class Form(NamedTuple):
    """How depth is stored."""

    file_format: str
    depth_type: str
    units: str = METRES
    channel: str = Z
    compression: str = ZIP

    @property
    def is_exr(self) -> bool:
        return self.file_format in (EXR_FLOAT, EXR_HALF)


PROGRAMS = {
    "Nuke": Form(EXR_FLOAT, DISTANCE, METRES, DEPTH_Z),
    "After Effects": Form(EXR_FLOAT, FAR_IS_WHITE, METRES, GREY),
    "Blender": Form(EXR_FLOAT, DISTANCE, METRES, DEPTH_Z),
    "ControlNet": Form(PNG, NEAR_IS_WHITE),
    "Unreal": Form(EXR_HALF, DISTANCE, CENTIMETRES, GREY),
}
