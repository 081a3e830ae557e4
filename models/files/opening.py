"""Opening a model, a motion module or a ControlNet. Every weight must have its place in the network, and the reverse."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..unet.config import ONE_SHOT_FIELDS, SD1, ImageTokens, MotionModules, TemporalLayers, VideoUNetConfig
from ..unet.config_file import NotServed, from_json
from . import about
from .bounds import check_bounds, check_fits_tensors
from .family import ASIDE, kind_of, wrong_family
from .folder import declared_beside, file_in
from .ldm import in_diffusers_words, prefix_of
from .reading import Weights, read_weights, short
from .report import Report
from .scaled import without_scales
from .shape import CHANNELS, base_fields, motion_shape
from .tuned import own_name
from .writing import checksum

MODEL = "a Stable Diffusion 1 or 2 model, a Tune-A-Video model, a DisCo checkpoint or a Duet model"
MOTION = "an AnimateDiff motion module, version 1, 2 or 3,"
CONTROLNET = "a ControlNet in diffusers' form"
TABLE = ".pos_encoder.pe"


def open_model(path) -> tuple[VideoUNetConfig, dict[str, Tensor], Report]:
    """A U-Net of any known family: its configuration and its weights in VideoUNet's names."""
    file = open_weights(path)
    kind = kind_of(file)
    config = duet_config(file)
    if config is not None:
        if kind in ("controlnet", "motion", "tuning"):
            raise wrong_family(file, kind, MODEL)
        return take_weights(file, config, {name: name for name in file.shapes}, "Duet model", *about.of_model(config))
    if kind in ("ldm", "diffusers"):
        return open_base(file)
    if kind == "tuneavideo":
        return open_tuneavideo(file)
    if kind == "disco":
        return open_disco(file)
    raise wrong_family(file, kind, MODEL)


def open_base(file: Weights):
    """Stable Diffusion 1 or 2, in a single checkpoint file or as diffusers' U-Net."""
    prefix = prefix_of(file.shapes)
    if prefix is None:
        names = {name: name for name in file.shapes}
    else:
        inner = [name[len(prefix) :] for name in file.shapes if name.startswith(prefix) and not aside(name)]
        names = {new: prefix + old for new, old in in_diffusers_words(inner).items()}
        names |= {name: name for name in file.shapes if not name.startswith(prefix) and not aside(name)}
    config = config_of(file, names)
    family = "Stable Diffusion 2" if config.use_linear_projection else "Stable Diffusion 1"
    return with_prediction(file, *take_weights(file, config, names, family + depth_words(config)))


def config_of(file: Weights, names: dict[str, str], **more) -> VideoUNetConfig:
    """The configuration of a Stable Diffusion whose weights are `names`, {name in the network: name in the file}."""
    fields = base_fields(file.pick(names))
    if fields["in_channels"] not in CHANNELS:
        kind = {9: "inpainting", 8: "edit"}.get(fields["in_channels"])
        raise wrong_family(file, kind, f"{MODEL} with {CHANNELS[0]} or {CHANNELS[1]} channels")
    return replace(SD1, **fields, **more)


def depth_words(config: VideoUNetConfig) -> str:
    return " with a depth channel" if config.in_channels == 5 else ""


def open_tuneavideo(file: Weights):
    """A whole Tune-A-Video network, 798 weights of Stable Diffusion; its GroupNorms look at all frames of a clip."""
    names = {own_name(name): name for name in file.shapes}
    config = config_of(file, names, **ONE_SHOT_FIELDS, group_norm="clip")
    return with_prediction(file, *take_weights(file, config, names, "Tune-A-Video" + depth_words(config)))


def with_prediction(file: Weights, config: VideoUNetConfig, state: dict[str, Tensor], report: Report):
    """The same with what the network predicts, and a note where it is not plain noise as in Stable Diffusion 1."""
    declared = file.metadata.get("prediction_type", "").strip('"')
    velocity = config.use_linear_projection and config.in_channels == 4 and predicts_velocity(state)
    if not (velocity or declared.startswith("v")):
        note = ("It predicts noise (eps).",) if config.use_linear_projection else ()
    elif declared.startswith("eps"):
        note = (
            "It is declared to predict noise (eps), but its weights are those of a model that predicts velocity (v), "
            "and so it is sampled; ModelSamplingDiscrete after it changes that.",
        )
    else:
        note = ("It predicts velocity (v).",)
    config = replace(config, prediction="v" if velocity or declared.startswith("v") else "eps")
    return config, state, replace(report, notes=(*report.notes, *note))


def predicts_velocity(state: dict[str, Tensor]) -> bool:
    """Whether a Stable Diffusion 2 is one of the 768 px models: their names are the same, but their last biases are larger."""
    names = [name for name in state if name.startswith("up_blocks.") and name.endswith("_blocks.0.norm1.bias")]
    return bool(names) and state[max(names)].float().std(unbiased=False).item() > 0.09


def open_disco(file: Weights):
    """DisCo's temporal checkpoint (IDOL's code base): its blocks norm with norm2 before attention over time."""
    prefix = "unet." if "unet.conv_in.weight" in file.shapes else ""
    names = {name.removeprefix(prefix): name for name in file.shapes if name.startswith(prefix) and not aside(name)}
    names = {new: old for new, old in names.items() if not new.startswith("refer_clip_proj.")}
    for new in [new for new in names if ".transformer_blocks." in new and ".tem_norm." in new]:
        names[new] = names.get(new.replace(".tem_norm.", ".norm2."), names[new])
    fields = base_fields(file.pick(names)) | {"temporal": TemporalLayers(), "group_norm": "clip"}
    projection = file.shapes.get("refer_clip_proj.weight")
    if projection and len(projection) == 2:
        fields["tokens"] = ImageTokens(projection[1])
        names["clip_proj.weight"] = "refer_clip_proj.weight"
    # What lies outside the U-Net and is of no known family stays in the list, so that it is refused below.
    strays = [name for name in file.shapes if prefix and not name.startswith((prefix, "refer_clip_proj."))]
    names |= {name: name for name in strays if not aside(name)}
    note = "Norms before attention over time are copies of norm2, which DisCo used in their place."
    return take_weights(file, replace(SD1, **fields), names, "DisCo", note)


def open_motion_module(path) -> tuple[MotionModules, dict[str, Tensor], Report]:
    """AnimateDiff's motion modules: their part of a configuration, and weights in VideoUNet's names."""
    file = open_weights(path)
    kind, config = kind_of(file), duet_config(file)
    if kind != "motion":
        raise wrong_family(file, kind, MOTION)
    names = {re.sub(r"^.*?(?=(down_blocks|mid_block|up_blocks)\.)", "", name): name for name in file.shapes}
    positions = getattr(config and config.temporal, "positions", None)
    motion, widths, layers = motion_modules(file.pick(names), positions)
    if widths == (320, 640, 1280):
        raise ValueError(
            f"{file.name} is a motion module for Stable Diffusion XL, but {MOTION} was expected. Take that."
        )
    names = {new: old for new, old in names.items() if not new.endswith(TABLE)}
    shape = {"block_out_channels": widths, "attention_levels": (False,) * len(widths), "layers_per_block": layers}
    _, state, report = take_weights(
        file, replace(SD1, **shape, temporal=motion), names, "AnimateDiff", only=".motion_modules."
    )
    version = 2 if motion.mid_block else 1 if motion.positions == 24 else 3
    note = f"Clips have up to {motion.positions} frames, or that many in a window."
    return motion, state, replace(report, family=f"AnimateDiff v{version}", unexpected=(), notes=(note,))


def motion_modules(file: Weights, positions: int | None = None) -> tuple[MotionModules, tuple[int, ...], int]:
    """The motion modules of a file that holds nothing else, the widths of its levels and how many modules each has."""
    tables = {name: name for name in file.shapes if name.endswith(TABLE)}
    widths, layers, attentions = motion_shape(file.pick({name: name for name in file.shapes if name not in tables}))
    mid_block = any(name.startswith("mid_block.") for name in file.shapes)
    motion = MotionModules(positions or positions_of(file.pick(tables)), mid_block, attentions)
    return motion, widths, layers


def positions_of(tables: Weights) -> int:
    """Rows of the position tables, which must be the paper's sines; 32 where the file has none."""
    from ..unet.motion_module import sinusoids

    rows = {shape[1] if len(shape) == 3 else 0 for shape in tables.shapes.values()}
    if not rows:
        return 32
    for table in tables.state().values():
        if table.ndim != 3 or len(rows) > 1 or table.shape[0] != 1 or not (table.shape[1] and table.shape[2]):
            break
        if (table[0].float() - sinusoids(*table.shape[1:])).abs().max() > 0.01:
            break
    else:
        return rows.pop()
    raise ValueError(
        f"{tables.name} has position tables of its own making; sines of the frame number, one table for all, were "
        "expected. Take the motion module that it was made from."
    )


def open_controlnet(path) -> tuple[VideoUNetConfig, dict[str, Tensor], Report]:
    """A pose ControlNet, with or without temporal layers, alone or inside a DisCo checkpoint."""
    file = open_weights(path)
    kind, config = kind_of(file), duet_config(file)
    family, extra = "ControlNet", {}
    if kind == "disco" and any(name.startswith("controlnet.nets.0.") for name in file.shapes):
        file, family, extra = file.without("controlnet.nets.0."), "DisCo's pose ControlNet", {"group_norm": "clip"}
    elif kind != "controlnet":
        raise wrong_family(file, kind, CONTROLNET)
    names = {name: name for name in file.shapes}
    if extra:
        dead = [name for name in names if ".transformer_blocks." in name and ".tem_norm." in name]
        names |= {name: name.replace(".tem_norm.", ".norm2.") for name in dead}
    if config is None:
        temporal = TemporalLayers() if any(".tem_conv." in name for name in names) else None
        config = replace(SD1, **base_fields(file), **extra, temporal=temporal)
    return take_weights(file, config, names, family, *about.of_controlnet(config), controlnet=True)


def open_weights(path) -> Weights:
    """A file, or the U-Net's in a folder, with the prefix that distributed training leaves on every name taken off."""
    path = file_in(Path(path))
    file = read_weights(path)
    file.metadata = declared_beside(path) | file.metadata
    wrapped = bool(file.shapes) and all(name.startswith("module.") for name in file.shapes)
    return without_scales(file.without("module.") if wrapped else file)


def duet_config(file: Weights) -> VideoUNetConfig | None:
    """The configuration of a Duet file, None for other files; a file that changed since it was saved is refused."""
    text, crc = file.metadata.get("duet"), file.metadata.get("duet_crc32")
    if text is None and crc is None:
        return None
    if text is None or (crc is not None and checksum({name: file.read(name) for name in file.shapes}, text) != crc):
        raise ValueError(
            f"{file.name} ({file.path.stat().st_size:,} bytes) is not what was saved: its checksum differs, so the "
            "file is damaged. Copy or download it again."
        )
    try:
        config = from_json(text)
        check_bounds(config)
        return config
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        reason = error if isinstance(error, NotServed) else "its configuration cannot be read. Save it again."
        raise ValueError(f"{file.name} is a Duet file that cannot be opened: {reason}") from error


def aside(name: str) -> bool:
    return name.startswith(tuple(ASIDE))


def expected_shapes(file: Weights, config: VideoUNetConfig, controlnet: bool) -> dict[str, tuple]:
    """Names and shapes of a network, without its memory."""
    from ..baselines.separate import build_controlnet, build_network

    try:
        with torch.device("meta"):
            net = build_controlnet(config) if controlnet else build_network(config)
    except (ValueError, RuntimeError, TypeError, ZeroDivisionError, NotImplementedError, IndexError) as error:
        raise ValueError(
            f"{file.name} describes a network that cannot be built, with levels {config.block_out_channels} channels "
            "wide: it is damaged or of an unknown family. Choose another file."
        ) from error
    return {name: tuple(value.shape) for name, value in net.state_dict().items()}


def take_weights(
    file: Weights, config: VideoUNetConfig, names: dict[str, str], family: str, *notes, controlnet=False, only=""
):
    """The weights of `names`, {name in the network: name in the file}, if they are exactly what the network has."""
    found = {new: file.shapes[old] for new, old in names.items()}
    check_fits_tensors(file, config, found)
    expected = {name: shape for name, shape in expected_shapes(file, config, controlnet).items() if only in name}
    if found != expected:
        raise ValueError(f"{file.name} looks like {family} but does not fit: {misfit(found, expected)}")
    used = set(names.values())
    rest = tuple(sorted(name for name in file.shapes if name not in used))
    return config, file.pick(names).state(), Report(family, len(names), (), rest, tuple(notes))


def misfit(found: dict[str, tuple], expected: dict[str, tuple]) -> str:
    """How two lists of weights differ: counts and the first names."""
    parts = {
        "missing": sorted(set(expected) - set(found)),
        "of another shape": sorted(name for name in set(expected) & set(found) if expected[name] != found[name]),
        "unknown": sorted(set(found) - set(expected)),
    }
    words = [f"{len(names)} are {what} ({', '.join(map(short, names[:3]))})" for what, names in parts.items() if names]
    return f"of {len(expected)} weights, {' and '.join(words)}. Download it again, or choose another file."
