"""Character models: one Duet file, or the three or four files that MIMO was released in, put together."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..unet.config import MIMO, VideoUNetConfig
from . import about
from .family import kind_of, wrong_family
from .opening import TABLE, duet_config, motion_modules, open_weights, take_weights
from .reading import Weights
from .report import Report
from .shape import base_fields, count, size

MODEL = "the U-Net of a character model, denoising_unet, or a whole one as a Duet file"
REFERENCE = "the network that reads the reference, reference_unet,"
GUIDER = "the pose guider of a character model, pose_guider,"
MOTION = "the motion modules of a character model, motion_module,"
PARTS = {"reference": "reference.", "pose guider": "pose_guider."}  # the prefix of their names in VideoUNet


def open_character(
    model: str | Path,
    reference: str | Path | None = None,
    pose_guider: str | Path | None = None,
    motion: str | Path | None = None,
) -> tuple[VideoUNetConfig, dict[str, Tensor], Report]:
    """A character model: its configuration and its weights in VideoUNet's names; None for what lies in the first file."""
    file, others = open_weights(model), [path for path in (reference, pose_guider, motion) if path is not None]
    config = duet_config(file)
    if config is not None:
        return open_whole(file, config, others)
    return open_parts(
        file, *(None if path is None else open_weights(path) for path in (reference, pose_guider, motion))
    )


def open_whole(file: Weights, config: VideoUNetConfig, others: list):
    """A Duet file, which holds everything."""
    if not config.reference:
        raise ValueError(f"{file.name} is a Duet model without a character: open it with Load Video Model.")
    if others:
        names = " and ".join(Path(path).name for path in others)
        raise ValueError(f"{file.name} holds the whole character model: leave {names} out.")
    config, state, report = take_weights(file, config, {name: name for name in file.shapes}, "Duet character model")
    return config, state, replace(report, notes=about.of_character(config))


def open_parts(file: Weights, reference: Weights | None, pose_guider: Weights | None, motion: Weights | None):
    """The released files: every weight of each has its place, and every place its weight."""
    kind = kind_of(file)
    if kind not in ("character", "diffusers"):
        raise wrong_family(file, kind, MODEL)
    shapes, sources = {}, {}
    for part in (file, with_prefix(motion, "motion"), with_prefix(reference, "reference"),
                 with_prefix(pose_guider, "pose guider")):  # fmt: skip
        for name in part.shapes if part else ():
            shapes[name], sources[name] = part.shapes[name], part  # motion modules of their own file replace others
    whole = Weights(file.path, shapes, file.metadata, lambda name: sources[name].read(name))
    config = config_of(whole)
    tables = [name for name in shapes if name.endswith(TABLE)]
    names = {name: name for name in shapes if name not in set(tables)}
    config, state, report = take_weights(whole, config, names, "MIMO")
    found = report.found + len(tables)
    return config, state, replace(report, found=found, unexpected=(), notes=about.of_character(config))


def with_prefix(part: Weights | None, kind: str) -> Weights | None:
    """A part of the expected kind under the names that it has in VideoUNet."""
    if part is None:
        return None
    expected = {"reference": REFERENCE, "pose guider": GUIDER, "motion": MOTION}[kind]
    if kind_of(part) != kind:
        raise wrong_family(part, kind_of(part), expected)
    if kind == "motion":
        start = lambda name: min(i for i in map(name.find, ("down_blocks.", "mid_block.", "up_blocks.")) if i >= 0)
        return part.pick({name[start(name) :]: name for name in part.shapes})
    return part.pick({PARTS[kind] + name: name for name in part.shapes})


def config_of(whole: Weights) -> VideoUNetConfig:
    """MIMO's configuration at the size of the weights; a part that is missing is named with what brings it."""
    names = whole.shapes
    motion = {name: name for name in names if ".motion_modules." in name}
    needed = {
        f"{REFERENCE} has not been chosen": any(name.startswith("reference.") for name in names),
        f"{GUIDER} has not been chosen": any(name.startswith("pose_guider.") for name in names),
        f"{MOTION} has not been chosen, and this file has none": bool(motion),
    }
    missing = [words for words, there in needed.items() if not there]
    if missing:
        raise ValueError(f"{whole.name} is one part of a character model, and {missing[0]}: choose it beside.")
    base = base_fields(whole.pick({n: n for n in names if n not in motion and not n.startswith(tuple(PARTS.values()))}))
    codes = base["in_channels"] // base["out_channels"] - 1
    if codes not in (1, 2) or base["in_channels"] % base["out_channels"]:
        raise ValueError(
            f"{whole.name} reads {base['in_channels']} channels, but {MODEL}, with 8 or 12 channels was expected: choose "
            "another file."
        )
    temporal, _, _ = motion_modules(whole.pick(motion))
    return replace(MIMO, **base, temporal=temporal, motion_code=guider_widths(whole))


def guider_widths(whole: Weights) -> tuple[int, ...]:
    """Widths of the pose guider, from the first convolution to the last but one."""
    blocks = count(whole, "pose_guider.blocks.")
    first = size(whole, "pose_guider.conv_in.weight")
    return first, *(size(whole, f"pose_guider.blocks.{i}.weight") for i in range(1, blocks, 2))
