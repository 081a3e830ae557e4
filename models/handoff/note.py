"""What the numbers of a depth file mean, as a note beside the files and in them.

The note is a JSON file of the same name; EXR files hold it as header attributes, PNG and video files as a text.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from math import isfinite
from pathlib import Path

from ..choices import DEPTH_SCALES, DEPTH_TYPES
from .names import CENTIMETRES, FARTHEST, METRES, RELATIVE, UNITS, UNKNOWN
from .series import NUMBERED

IN_METRES = {METRES: 1.0, CENTIMETRES: 0.01, RELATIVE: 1.0}
TEXT = "duet_depth"  # the name of the text in PNG and video files
ATTRIBUTES = {  # of the note in the header of an EXR
    "depth_type": "depthType",
    "depth_scale": "depthScale",
    "near_depth": "depthNear",
    "far_depth": "depthFar",
    "units": "depthUnits",
    "unknown_depth": "depthUnknown",
    "field_of_view": "fieldOfView",
    "software": "software",
}
FRAME_RATE = "framesPerSecond"  # the attribute that compositors read
CHOICES = {"depth_type": DEPTH_TYPES, "depth_scale": DEPTH_SCALES, "units": UNITS, "unknown_depth": UNKNOWN}


@dataclass(frozen=True)
class DepthNote:
    """What the numbers of a depth file mean; near and far are in its units, 0 where not known."""

    depth_type: str
    depth_scale: str = "linear"  # how greys were made of distances
    near_depth: float = 0.0
    far_depth: float = 0.0
    units: str = METRES
    unknown_depth: str = FARTHEST  # what pixels without a depth got
    field_of_view: float = 0.0  # degrees, horizontal; 0: not known
    frame_rate: float = 0.0
    width: int = 0
    height: int = 0
    frames: int = 0
    file_format: str = ""
    depth_channel: str = ""
    software: str = ""

    def as_json(self, **more: str) -> str:
        return json.dumps(asdict(self) | more, indent=1)

    def as_attributes(self) -> dict[str, str | float | Fraction]:
        rate = {FRAME_RATE: rational(self.frame_rate)} if self.frame_rate else {}
        return {attribute: getattr(self, name) for name, attribute in ATTRIBUTES.items()} | rate


def rational(frame_rate: float) -> Fraction:
    """A frame rate as a fraction, 23.976 as 24000 / 1001."""
    for usual in (Fraction(round(frame_rate)), Fraction(round(frame_rate * 1.001) * 1000, 1001)):
        if usual and abs(float(usual) - frame_rate) < 0.002:
            return usual
    return Fraction(frame_rate).limit_denominator(1000)


def note_of_json(text: str | bytes, name: str) -> DepthNote:
    """The note in a JSON text; `name` is the file in the sentence of what is wrong with it."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be read as a note on depth: it is no JSON. Save the depth again, or delete {name} and set depth_type."
        ) from error
    return checked_note(values, name)


def note_of_attributes(header: Mapping, name: str) -> DepthNote | None:
    """The note in the header of an EXR, None where there is none."""
    if ATTRIBUTES["depth_type"] not in header:
        return None
    values = {key: header[attribute] for key, attribute in ATTRIBUTES.items() if attribute in header}
    return checked_note(values | {"frame_rate": frame_rate_of(header)}, name)


def frame_rate_of(header: Mapping) -> float:
    """Frames a second by the header of an EXR; 0 where it states none, or none that is a number."""
    try:
        rate = float(header.get(FRAME_RATE, 0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return rate if isfinite(rate) and rate > 0 else 0.0


def checked_note(values: object, name: str) -> DepthNote:
    """A note from what a file holds; another file of JSON, and numbers that are none, are refused."""
    if not isinstance(values, Mapping) or "depth_type" not in values:
        raise ValueError(
            f"{name}: expected a note on depth with depth_type, got none: choose a depth file, or set depth_type."
        )
    kept = {field.name: values[field.name] for field in fields(DepthNote) if field.name in values}
    for key, value in kept.items():
        default = getattr(DepthNote, key, "")
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if key in CHOICES and value not in CHOICES[key]:
            raise ValueError(f"{name}: expected {key} to be {' or '.join(CHOICES[key])}, got {str(value)[:60]!r}.")
        if not (isinstance(value, str) if isinstance(default, str) else number):
            raise ValueError(f"{name}: expected another kind of value as {key}, got {str(value)[:60]!r}.")
    return DepthNote(**kept)


def sidecar_of(path: Path) -> Path:
    """The note beside a file: its name without the number of the frame."""
    match = NUMBERED.fullmatch(path.name)
    stem = match[1].rstrip(".") if match else path.stem
    return path.with_name(f"{stem or path.stem}.json")
