"""What a format can hold, and how its files end."""

from .names import DISTANCE, EXR_FLOAT, FAR_IS_WHITE, GREY, NEAR_IS_WHITE, Form, Z
from .video import CODECS


def check_form(form: Form, beside: list[str]) -> Form:
    """The form for what is there; refuses what it cannot hold. `beside` are the inputs that go into the same file."""
    if not form.is_exr and form.depth_type == DISTANCE:
        raise ValueError(
            f"{form.file_format} stores greys from 0 to 1, no distances: set saved_depth_type to {NEAR_IS_WHITE} or "
            f"{FAR_IS_WHITE}, or depth_format to {EXR_FLOAT}."
        )
    if not form.is_exr and beside:
        raise ValueError(
            f"{form.file_format} has no room for {', '.join(beside)} beside the depth: choose a program or depth_format with EXR, "
            "or leave these inputs unconnected."
        )
    return form._replace(channel=Z) if form.channel == GREY and "images" in beside else form


def ending_of(form: Form) -> str:
    """How the name of the first file ends."""
    if form.file_format in CODECS:
        return CODECS[form.file_format].ending
    return ".0001.exr" if form.is_exr else ".0001.png"
