"""Video tunings as files: the weights that were tuned on one clip, for the base model that they were tuned on."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from ..files.about import LAYERS
from ..files.family import kind_of, wrong_family
from ..files.opening import expected_shapes, open_weights
from ..files.reading import Weights
from ..files.report import Report
from ..files.tuned import is_one_shot, is_tuned, named_as_ldm, named_as_ours, tav_name
from ..files.writing import checksum, write_safely
from ..unet.config import ONE_SHOT_FIELDS, VideoUNetConfig

TUNING = "a video tuning"
KEYS = (".attn1.to_k.weight", ".attn2.to_k.weight")  # frozen while tuning, so they identify the base


@dataclass(frozen=True)
class Tuning:
    """How a tuning was trained; values that a file lacks are empty. Tune-A-Video's own files norm over the clip."""

    base: str = ""  # fingerprint of the network that it was tuned on
    context: int = 0  # width of the tokens of the base: 768 or 1024
    frames: int = 0
    steps: int = 0
    lr: float = 0.0
    group_norm: str = "clip"
    prediction: str = ""
    depth_range: str = ""  # of the depth channel while training: one of CHANNEL_RANGES

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Tuning":
        values = json.loads(text)
        known = {field.name for field in fields(cls)}
        tuning = cls(**{name: value for name, value in values.items() if name in known})
        if tuning.group_norm not in ("frame", "clip") or tuning.prediction not in ("", "eps", "v"):
            raise ValueError(f"group norm {tuning.group_norm!r} and prediction {tuning.prediction!r} are unknown")
        return tuning


def fingerprint(state: dict[str, Tensor]) -> str:
    """CRC-32 of the frozen keys of attention in half precision, alike for fp32 and fp16 copies of a base."""
    crc = 0
    for name in sorted(name for name in state if name.endswith(KEYS)):
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(state[name].detach().cpu().half().contiguous().numpy(), crc)
    return f"{crc:08x}"


def save_tuning(path: str | Path, state: dict[str, Tensor], config: VideoUNetConfig, tuning: Tuning) -> Path:
    """Write the tuned weights of a whole network's state, 112 in Stable Diffusion, and its norms if they were trained.

    The fingerprint of the base, group norm and prediction come from the network; a base in `tuning` stays.
    """
    if not is_one_shot(config):
        raise ValueError(
            "This model has no sparse-causal attention and attention over time after the feed-forward, so there is no "
            "tuning to save: tune a model with the layers of a video tuning, or save it as a whole."
        )
    identity = all(is_initial(name, value) for name, value in state.items() if ".tem_norm." in name)
    tuned = {name: value for name, value in state.items() if is_tuned(name, norms=not identity)}
    here = {"group_norm": config.group_norm, "prediction": config.target, "context": config.cross_attention_dim}
    return write_tuning(path, tuned, replace(tuning, base=tuning.base or fingerprint(state), **here))


def is_initial(name: str, value: Tensor) -> bool:
    """Whether a norm's weight or bias has its initial value."""
    return bool((value == (1 if name.endswith("weight") else 0)).all())


def write_tuning(
    path: str | Path, tuned: dict[str, Tensor], tuning: Tuning, more: dict[str, str] | None = None
) -> Path:
    """Tuned weights of any names as a file with the names of single checkpoint files."""
    state = {ldm: tuned[name] for ldm, name in named_as_ldm(tuned).items()}
    text = tuning.to_json()
    notes = (more or {}) | {name: str(value) for name, value in asdict(tuning).items()}  # for people and other programs
    return write_safely(path, state, {**notes, "duet_tuning": text, "duet_tuning_crc32": checksum(state, text)})


def read_tuning(path: str | Path) -> tuple[Weights, Tuning]:
    """The weights of a tuning under the names of its file, and how it was trained."""
    file = open_weights(path)
    kind = kind_of(file)
    if kind != "tuning":
        raise wrong_family(file, kind, TUNING)
    text, crc = file.metadata.get("duet_tuning"), file.metadata.get("duet_tuning_crc32")
    if text is None and crc is None:
        return file, Tuning()
    if text is None or checksum(file.state(), text) != crc:
        raise ValueError(
            f"{file.name} ({file.path.stat().st_size:,} bytes) is not what was saved: its checksum differs, so the "
            "file is damaged. Copy or download it again."
        )
    try:
        return file, Tuning.from_json(text)
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{file.name} has settings of the tuning that are unknown ({str(error)[:200]}). Save it again."
        ) from error


def convert_tuning(source: Path, target: Path, half: bool = False, notes: dict[str, str] | None = None) -> Report:
    """Any tuning, such as Tune-A-Video's .pth of 112 tensors, as a Duet file."""
    file, tuning = read_tuning(source)
    state = {name: value.half() if half else value for name, value in file.state().items()}
    write_tuning(target, state, tuning, notes)
    return Report("Video tuning", len(state), notes=(training_note(tuning),) if tuning.steps else ())


def add_tuning(
    config: VideoUNetConfig, state: dict[str, Tensor], path: str | Path
) -> tuple[VideoUNetConfig, dict[str, Tensor], Report]:
    """A network with a file's tuning in it; another tuning in it is replaced."""
    check_base(config)
    file, tuning = read_tuning(path)
    check_context(file, tuning, config)
    tuned = replace(config, **ONE_SHOT_FIELDS, group_norm=tuning.group_norm)
    names = named_as_ours(file.shapes, config)
    expected = {name: shape for name, shape in expected_shapes(file, tuned, False).items() if is_tuned(name, True)}
    norms = {name: shape for name, shape in expected.items() if ".tem_norm." in name}
    if not norms.keys() & names.keys():  # Tune-A-Video does not train them
        expected = {name: shape for name, shape in expected.items() if name not in norms}
    check_fit(file, {name: file.shapes[old] for name, old in names.items()}, expected)
    state = {name: value for name, value in state.items() if ".tem_" not in name}
    initial = {name: (torch.ones if name.endswith("weight") else torch.zeros)(shape) for name, shape in norms.items()}
    report = Report("Video tuning", len(names), notes=tuple(remarks(config, state, tuning)))
    return tuned, {**state, **initial, **file.pick(names).state()}, report


def check_base(config: VideoUNetConfig) -> None:
    """A picture model, or one that a tuning can be exchanged in."""
    if config.separate or (config.temporal is not None and not is_one_shot(config)):
        raise ValueError(
            f"This model already has {LAYERS.get(type(config.temporal), 'two networks')}: {TUNING} belongs into a "
            "picture model, such as Stable Diffusion 2 with depth from Load Video Model."
        )


def check_context(file: Weights, tuning: Tuning, config: VideoUNetConfig) -> None:
    """Refuses another text encoder: Stable Diffusion 1 and 2 have tuned weights of the same shapes."""
    if tuning.context not in (0, config.cross_attention_dim):
        raise ValueError(
            f"{file.name} was tuned on a base with tokens of width {tuning.context}, but those of this model have width "
            f"{config.cross_attention_dim}: load the model that it was tuned on."
        )


def check_fit(file: Weights, found: dict[str, tuple], expected: dict[str, tuple]) -> None:
    """Refuses a tuning whose weights are not exactly those that the base has places for."""
    if found == expected:
        return
    parts = {
        "are missing": sorted(set(expected) - set(found)),
        "are of another shape": sorted(name for name in set(found) & set(expected) if found[name] != expected[name]),
        "have no place": sorted(set(found) - set(expected)),
    }
    words = [f"{len(names)} {what} ({tav_name(names[0])})" for what, names in parts.items() if names]
    raise ValueError(
        f"{file.name} was tuned on another base than this model: of {len(expected)} weights, {' and '.join(words)}. "
        "Load the model that it was tuned on."
    )


def remarks(config: VideoUNetConfig, state: dict[str, Tensor], tuning: Tuning) -> Iterator[str]:
    """Notes on a tuning on this base, a sentence each."""
    if tuning.steps:
        yield training_note(tuning)
    here = fingerprint(state)
    if tuning.base and tuning.base != here:
        yield (
            f"It was tuned on another base ({tuning.base}, this one is {here}), or on a copy in another precision: "
            "if the pictures look wrong, load the model that it was tuned on."
        )
    if tuning.prediction and tuning.prediction != config.target:
        words = {"eps": "noise (eps)", "v": "velocity (v)"}
        yield (
            f"It was tuned to predict {words[tuning.prediction]}, but the base predicts {words[config.target]}: "
            "it is sampled like the base."
        )
    if tuning.depth_range and config.in_channels > config.out_channels:
        yield f"It was tuned with depth_range {tuning.depth_range}: choose the same in Encode Depth (Depth-to-Image Model)."


def training_note(tuning: Tuning) -> str:
    return f"Tuned on {tuning.frames} frames in {tuning.steps} steps at a learning rate of {tuning.lr:g}."
