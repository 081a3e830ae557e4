"""Released LFDM files and our own: which of the two networks a file holds, its shape, and its weights under our names.

The released files are pickles: they are read for their tensors only, and what the optimiser left in them is not read.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..files.reading import PICKLED, SAFE, Weights, read_weights
from ..files.report import Report
from ..files.writing import checksum, without_sharing
from .config import CodecConfig, FlowUNetConfig
from .diffusion import cosine_betas
from .shape import codec_shape, unet_shape

PARTS = ("generator", "region_predictor", "bg_predictor")
DENOISER = "denoise_fn."
CONSTANT = re.compile(r"(^|\.)(rotary_emb\.freqs|num_batches_tracked)$")
LABELS = "labels.weight"  # (number, width) vectors that our own files keep beside the network
KINDS = {"codec": CodecConfig, "unet": FlowUNetConfig}
NAMES = {"codec": "LFDM flow codec", "unet": "LFDM flow model"}
EXPECTED = "a released LFDM file (LFAE_<set>.pth or DM_<set>.pth) or a Duet flow file"

Opened = tuple[CodecConfig | FlowUNetConfig, dict[str, Tensor], Report]


def open_codec(path: str | Path, heat_map_padding: int | None = None) -> tuple[CodecConfig, dict[str, Tensor], Report]:
    """A flow auto-encoder in full precision, however it was saved: half of it moves pixels.

    Released files do not show the padding of their heat maps: 3 for MUG (the default), else 0.
    """
    config, state, report = opened(Path(path), "codec", heat_map_padding)
    return config, {name: value.float() for name, value in state.items()}, report


def open_flow_unet(path: str | Path) -> tuple[FlowUNetConfig, dict[str, Tensor], Report]:
    """A flow U-Net of either variant."""
    return opened(Path(path), "unet")


def opened(path: Path, wanted: str | None = None, heat_map_padding: int | None = None) -> Opened:
    file = read(path)
    kind = kind_of(file.shapes)
    if kind is None or wanted not in (None, kind):
        came = f"holds a {NAMES[kind]}" if kind else "is of an unknown kind"
        raise ValueError(f"{path.name} {came}, but {NAMES.get(wanted, EXPECTED)} was expected: choose another file.")
    beside = {name for name in file.shapes if CONSTANT.search(name) or is_schedule(name, kind) or name == LABELS}
    names = {our_name(name): name for name in file.shapes if name not in beside}
    config = saved_config(file, kind) or found_config(file.pick(names), kind)
    if kind == "codec" and heat_map_padding is not None:
        config = type(config)(**{**vars(config), "heat_map_padding": heat_map_padding})
    check_fit(path, kind, {new: file.shapes[old] for new, old in names.items()}, expected_shapes(config))
    check_schedule(file, kind)
    return config, file.pick(names).state(), Report(NAMES[kind], len(names), notes=(variant(config),))


def read(path: Path) -> Weights:
    """A file with the names of its tensors under those of its parts."""
    if path.suffix.lower() not in PICKLED:
        return read_weights(path)
    if not path.is_file():
        raise ValueError(f"A file of weights was expected at {path.name}, but there is none: choose another.")
    try:
        # Mapped: an optimiser's state, twice as large as the weights, stays on the disk.
        found = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except Exception as error:
        raise ValueError(
            f"{path.name} ({path.stat().st_size:,} bytes) cannot be read: it is damaged or holds more than tensors, and "
            "for safety nothing else is read from a pickle. Download it again, and do not unpack it."
        ) from error
    found = found if isinstance(found, Mapping) else {}
    parts = [(f"{part}.", found.get(part)) for part in PARTS] + [("", found.get("diffusion"))]
    state = {
        prefix + name: value
        for prefix, part in parts
        if isinstance(part, Mapping)
        for name, value in part.items()
        if isinstance(value, Tensor)
    }
    return Weights(path, {name: tuple(value.shape) for name, value in state.items()}, {}, state.__getitem__)


def kind_of(names: Mapping[str, object]) -> str | None:
    if any(name.startswith("generator.first.") for name in names):
        return "codec"
    return "unet" if any(name.removeprefix(DENOISER).startswith("time_rel_pos_bias.") for name in names) else None


def is_schedule(name: str, kind: str) -> bool:
    """The tables of the noise schedule lie beside the network, one number for each step."""
    return kind == "unet" and "." not in name and name != "null_cond_emb"


def our_name(name: str) -> str:
    """A released name in ours: wrappers of the U-Net's layers fall away."""
    return re.sub(r"\.(fn\.)+", ".", name.removeprefix(DENOISER))


def saved_config(file: Weights, kind: str) -> CodecConfig | FlowUNetConfig | None:
    """The configuration of a Duet file; one that changed since it was saved is refused."""
    text = file.metadata.get("duet_flow")
    if text is None:
        return None
    state = {name: file.read(name) for name in file.shapes}
    if file.metadata.get("duet_crc32") != checksum(state, text):
        raise ValueError(
            f"{file.name} is not what was saved: its checksum differs, so the file is damaged. Copy it again."
        )
    try:
        return KINDS[kind].from_json(json.dumps(json.loads(text)[kind]))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        reason = str(error) if "newer version" in str(error) else "its configuration cannot be read. Save it again."
        raise ValueError(f"{file.name} is a Duet flow file that cannot be opened: {reason}") from error


def found_config(file: Weights, kind: str) -> CodecConfig | FlowUNetConfig:
    """The configuration that the shapes of the weights mean."""
    try:
        return (codec_shape if kind == "codec" else unet_shape)(file.shapes)
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError) as error:
        raise ValueError(
            f"{file.name} looks like an {NAMES[kind]}, but its shape cannot be read, such as {error}: it is damaged or "
            "of another make. Download it again, or choose another file."
        ) from error


def expected_shapes(config: CodecConfig | FlowUNetConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's weights, without its memory."""
    with torch.device("meta"):
        state = network(config).state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not CONSTANT.search(name)}


def network(config: CodecConfig | FlowUNetConfig) -> torch.nn.Module:
    from .autoencoder import FlowAutoencoder
    from .unet import FlowUNet

    return FlowAutoencoder(config) if isinstance(config, CodecConfig) else FlowUNet(config)


def check_fit(path: Path, kind: str, found: dict, expected: dict) -> None:
    """Every weight has its place and every place its weight, or one sentence says what does not."""
    parts = {
        "missing": sorted(set(expected) - set(found)),
        "of another shape": sorted(name for name in set(expected) & set(found) if expected[name] != found[name]),
        "unknown": sorted(set(found) - set(expected)),
    }
    words = [f"{len(names)} are {what} ({', '.join(names[:3])})" for what, names in parts.items() if names]
    if words:
        raise ValueError(
            f"{path.name} looks like an {NAMES[kind]} but does not fit: of {len(expected)} weights, "
            f"{' and '.join(words)}. Download it again, or choose another file."
        )


def check_schedule(file: Weights, kind: str) -> None:
    """A model that learned on other noise would sample wrongly without a word."""
    if kind == "unet" and "betas" in file.shapes:
        betas = file.read("betas").double()
        if betas.shape != (1000,) or not torch.allclose(betas, cosine_betas(), atol=1e-6):
            raise ValueError(
                f"{file.name} learned on another noise schedule than LFDM's cosine of 1000 steps: it cannot be sampled "
                "here. Choose a released file."
            )


def variant(config: CodecConfig | FlowUNetConfig) -> str:
    if isinstance(config, CodecConfig):
        released = "MUG" if config.heat_map_padding == 3 else "MHAD and NATOPS"
        return f"Heat maps are padded by {config.heat_map_padding}, as for {released}."
    made = "The variant of MUG and MHAD: transposed convolutions, zeros for no text."
    if (config.upsample, config.null) == ("conv", "learned"):
        made = "The variant of NATOPS: upsampling by convolution, a learned vector for no text."
    learned = (
        {"eps": "noise", "v": "velocity"}[config.prediction],
        {"grid": "grids", "offset": "offsets", "root": "roots of offsets"}[config.motion],
    )
    return f"{made} It predicts {learned[0]} on {learned[1]}."


def load(config: CodecConfig | FlowUNetConfig, state: dict[str, Tensor]) -> torch.nn.Module:
    """The network in eval mode on these weights, without random numbers before."""
    with torch.device("meta"):
        made = network(config)
    # The norms' counters are of no use but belong to the list.
    counters = {name: torch.tensor(0) for name in made.state_dict() if name.endswith("num_batches_tracked")}
    made.load_state_dict(counters | state, assign=True)
    return made.eval().requires_grad_(False)


def save(path: str | Path, config: CodecConfig | FlowUNetConfig, state: dict[str, Tensor], **metadata) -> Path:
    """Write a Duet flow file: safetensors with its configuration and a checksum; nothing half-written has its name."""
    path = Path(path)
    if path.suffix.lower() not in SAFE:
        raise ValueError(f"A Duet file ends in .safetensors, but {path.name} does not: change its ending.")
    kind = "codec" if isinstance(config, CodecConfig) else "unet"
    state = without_sharing({name: value for name, value in state.items() if not CONSTANT.search(name)})
    text = json.dumps({kind: json.loads(config.to_json())})
    notes = {name: str(value) for name, value in metadata.items()}
    notes |= {"format": "pt", "duet_flow": text, "duet_crc32": checksum(state, text)}
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        save_file(state, unfinished, notes)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def convert(source: str | Path, target: str | Path, heat_map_padding: int | None = None, half: bool = False) -> Report:
    """A released file as a Duet flow file, a third of its size where it held an optimiser."""
    source, target = Path(source), Path(target)
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target.name} is the source itself: choose another name for the target.")
    config, state, report = opened(source, None, heat_map_padding)
    save(target, config, {name: value.half() for name, value in state.items()} if half else state, source=source.name)
    return report


def flow_part(path: Path) -> str | None:
    """Which of the two networks a file holds; None for every other file, be it whole or damaged."""
    try:
        return kind_of(read(path).shapes)
    except ValueError:
        return None
