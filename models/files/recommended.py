"""Sampling settings that a model's file recommends: in its metadata, else in a JSON file beside it, else its family's.

The entry "duet_recommended" is a JSON object; a field that it leaves out is the family's.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from ..unet.config import VideoUNetConfig
from .folder import MOST_TEXT, file_in
from .reading import SAFE, read_weights

KEY = "duet_recommended"
WHOLE = {"width": (16, 4096), "height": (16, 4096), "frames": (1, 1024), "steps": (1, 10000)}
CFG = (0, 100)
FAR_STEPS, FAR_CFG = 4, 2  # times more or fewer steps, times more cfg than the file recommends: a warning is shown


@dataclass(frozen=True)
class Recommended:
    width: int  # pixels
    height: int
    frames: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str

    def __post_init__(self):
        for name, (low, high) in WHOLE.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} is a whole number from {low} to {high}, not {value!r}")
        if type(self.cfg) not in (int, float) or not CFG[0] <= self.cfg <= CFG[1]:
            raise ValueError(f"cfg is a number from {CFG[0]} to {CFG[1]}, not {self.cfg!r}")
        for name in ("sampler", "scheduler"):
            value = getattr(self, name)
            if not isinstance(value, str) or not 0 < len(value) <= 100:
                raise ValueError(f"{name} is the name of one, not {value!r}")

    def to_json(self) -> str:
        return json.dumps(asdict(self))


PAIR = Recommended(512, 512, 16, 50, 1.5, "ddim", "ddim_uniform")  # as DisCo samples, on whose code IDOL is built
CLIP = Recommended(512, 512, 16, 25, 7.5, "ddim", "ddim_uniform")
DEPTH = replace(CLIP, frames=8)
CHARACTER = Recommended(784, 784, 24, 25, 3.5, "euler", "simple")
FLOW = Recommended(128, 128, 40, 20, 1.0, "euler_ancestral", "simple")
WAN_PAIR = Recommended(256, 256, 33, 20, 1.0, "euler", "simple")  # as UnityVideo was evaluated


def of_family(config: VideoUNetConfig) -> Recommended:
    """What a video U-Net was published with."""
    if config.reference:
        return CHARACTER
    if config.modalities == 2:
        return PAIR
    depth = config.in_channels == config.out_channels + 1
    return DEPTH if depth or config.self_attention == "sparse_causal" else CLIP


def far_off(settings: Recommended, steps: int, cfg: float, few: bool = True) -> str | None:
    """One sentence where steps or cfg are far from the settings of a file; without `few` few steps are no reason."""
    off = (
        [f"{steps} steps"] if steps > FAR_STEPS * settings.steps or (few and FAR_STEPS * steps < settings.steps) else []
    )
    off += [f"cfg {cfg:g}"] if cfg > FAR_CFG * settings.cfg else []
    if not off:
        return None
    return (
        f"The model's file recommends {settings.steps} steps and cfg {settings.cfg:g}; with {' and '.join(off)} colours can burn "
        "or noise can stay. Use KSampler (Auto Settings), which takes them from the file, or set them here."
    )


def read_recommended(path: str | Path, default: Recommended) -> Recommended:
    """The settings of a model's file; `default` where neither the file nor a JSON file beside it has any."""
    path = file_in(Path(path))
    metadata = read_weights(path).metadata if path.suffix.lower() in SAFE else {}
    if KEY in metadata:
        return _settings(_parsed(metadata[KEY], path.name), default, path.name)
    beside = path.with_suffix(".json")
    read = beside.is_file() and beside.stat().st_size <= MOST_TEXT  # a larger one is another program's
    values = _parsed(beside.read_bytes(), beside.name) if read else None
    if not isinstance(values, dict) or KEY not in values:  # another program's file
        return default
    return _settings(values[KEY], default, beside.name)


def _parsed(text: str | bytes, name: str):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The settings in {name} are not JSON ({error}): correct or remove them.") from error


def _settings(values, default: Recommended, name: str) -> Recommended:
    known = [field.name for field in fields(Recommended)]
    try:
        if not isinstance(values, dict) or set(values) - set(known):
            raise ValueError(f"expected an object with {', '.join(known)}, got {str(values)[:100]}")
        return replace(default, **values)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"The settings in {name} cannot be used: {str(error)[:300]}. Correct or remove {KEY}."
        ) from error
