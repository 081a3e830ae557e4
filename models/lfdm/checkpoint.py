"""Released LFDM files and our own: which of the two networks a file holds, its configuration, and its weights under our names.

The released files are pickles: they are read for their tensors only, and the state of an optimiser is skipped.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..files.reading import PICKLED, Weights, read_weights
from ..files.report import Report
from ..files.writing import checksum, write_safely
from .bounds import check_bounds
from .config import AutoencoderConfig, FlowUNetConfig
from .diffusion import cosine_betas
from .shape import autoencoder_shape, unet_shape

PARTS = ("generator", "region_predictor", "bg_predictor")
DENOISER = "denoise_fn."
CONSTANT = re.compile(r"(^|\.)(rotary_emb\.freqs|num_batches_tracked)$")
LABEL_VECTORS = "labels.weight"  # (number, width) vectors that our own files keep beside the network
KINDS = {"autoencoder": AutoencoderConfig, "unet": FlowUNetConfig}
STORED = {"autoencoder": "codec", "unet": "unet"}  # their names inside a Duet flow file
NAMES = {"autoencoder": "an LFDM flow autoencoder", "unet": "an LFDM flow model"}
EXPECTED = "a released LFDM file (LFAE_<set>.pth or DM_<set>.pth) or a Duet flow file"

Opened = tuple[AutoencoderConfig | FlowUNetConfig, dict[str, Tensor], Report]


def open_autoencoder(
    path: str | Path, heat_map_padding: int | None = None
) -> tuple[AutoencoderConfig, dict[str, Tensor], Report]:
    """A flow autoencoder in full precision, however it was saved: its flow needs it.

    Released files do not show the padding of their heat maps: 3 for MUG (the default), else 0.
    """
    config, state, report = open_part(Path(path), "autoencoder", heat_map_padding)
    return config, {name: value.float() for name, value in state.items()}, report


def open_flow_unet(path: str | Path) -> tuple[FlowUNetConfig, dict[str, Tensor], Report]:
    """A flow U-Net of either variant."""
    return open_part(Path(path), "unet")


def open_part(path: Path, wanted: str | None = None, heat_map_padding: int | None = None) -> Opened:
    file = read(path)
    kind = kind_of(file.shapes)
    if kind is None or wanted not in (None, kind):
        came = f"holds {NAMES[kind]}" if kind else "is of an unknown kind"
        raise ValueError(f"{path.name} {came}, but {NAMES.get(wanted, EXPECTED)} was expected: choose another file.")
    beside = {name for name in file.shapes if CONSTANT.search(name) or is_schedule(name, kind) or name == LABEL_VECTORS}
    names = {our_name(name): name for name in file.shapes if name not in beside}
    config = saved_config(file, kind) or inferred_config(file.pick(names), kind)
    if kind == "autoencoder" and heat_map_padding is not None:
        config = type(config)(**{**vars(config), "heat_map_padding": heat_map_padding})
    check_fit(path, kind, {new: file.shapes[old] for new, old in names.items()}, shapes_for(path, config))
    check_schedule(file, kind)
    return (
        config,
        file.pick(names).state(),
        Report(NAMES[kind].removeprefix("an "), len(names), notes=(describe_variant(config),)),
    )


def read(path: Path) -> Weights:
    """Open a file; tensors of a released one are named after their part."""
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
        return "autoencoder"
    return "unet" if any(name.removeprefix(DENOISER).startswith("time_rel_pos_bias.") for name in names) else None


def is_schedule(name: str, kind: str) -> bool:
    """The tables of the noise schedule lie beside the network, one number for each step."""
    return kind == "unet" and "." not in name and name != "null_cond_emb"


def our_name(name: str) -> str:
    """A released name in ours: without the wrappers of the U-Net's layers."""
    return re.sub(r"\.(fn\.)+", ".", name.removeprefix(DENOISER))


def saved_config(file: Weights, kind: str) -> AutoencoderConfig | FlowUNetConfig | None:
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
        config = KINDS[kind].from_json(json.dumps(json.loads(text)[STORED[kind]]))
        check_bounds(config)
        return config
    except (TypeError, KeyError, AttributeError, ValueError, RecursionError) as error:
        reason = str(error) if "newer version" in str(error) else "its configuration cannot be read. Save it again."
        raise ValueError(f"{file.name} is a Duet flow file that cannot be opened: {reason}") from error


def inferred_config(file: Weights, kind: str) -> AutoencoderConfig | FlowUNetConfig:
    """The configuration that follows from the shapes of the weights."""
    try:
        return (autoencoder_shape if kind == "autoencoder" else unet_shape)(file.shapes)
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError) as error:
        raise ValueError(
            f"{file.name} looks like {NAMES[kind]}, but its shape cannot be read, such as {error}: it is damaged or "
            "of an unknown variant. Download it again, or choose another file."
        ) from error


def shapes_for(path: Path, config: AutoencoderConfig | FlowUNetConfig) -> dict[str, tuple[int, ...]]:
    """What the configuration of a file asks for; one that no network can be built of is refused."""
    try:
        return expected_shapes(config)
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, IndexError) as error:
        raise ValueError(
            f"{path.name} is a Duet flow file whose configuration fits no network ({error}): it is damaged. Save it again."
        ) from error


def expected_shapes(config: AutoencoderConfig | FlowUNetConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's weights, without its memory."""
    with torch.device("meta"):
        state = build_network(config).state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not CONSTANT.search(name)}


def build_network(config: AutoencoderConfig | FlowUNetConfig) -> torch.nn.Module:
    from .autoencoder import FlowAutoencoder
    from .unet import FlowUNet

    return FlowAutoencoder(config) if isinstance(config, AutoencoderConfig) else FlowUNet(config)


def check_fit(path: Path, kind: str, found: dict, expected: dict) -> None:
    """Refuse a file whose weights are not exactly those that are expected."""
    parts = {
        "missing": sorted(set(expected) - set(found)),
        "of another shape": sorted(name for name in set(expected) & set(found) if expected[name] != found[name]),
        "unknown": sorted(set(found) - set(expected)),
    }
    words = [f"{len(names)} are {what} ({', '.join(names[:3])})" for what, names in parts.items() if names]
    if words:
        raise ValueError(
            f"{path.name} looks like {NAMES[kind]} but does not fit: of {len(expected)} weights, "
            f"{' and '.join(words)}. Download it again, or choose another file."
        )


def check_schedule(file: Weights, kind: str) -> None:
    """Refuse a model of another noise schedule, which would sample wrongly."""
    if kind == "unet" and "betas" in file.shapes:
        betas = file.read("betas").double()
        if betas.shape != (1000,) or not torch.allclose(betas, cosine_betas(), atol=1e-6):
            raise ValueError(
                f"{file.name} was trained on another noise schedule than LFDM's cosine of 1000 steps: it cannot be sampled "
                "here. Choose a released file."
            )


def describe_variant(config: AutoencoderConfig | FlowUNetConfig) -> str:
    if isinstance(config, AutoencoderConfig):
        released = "MUG" if config.heat_map_padding == 3 else "MHAD and NATOPS"
        return f"Heat maps are padded by {config.heat_map_padding}, as for {released}."
    variant = "The variant of MUG and MHAD: transposed convolutions, zeros for no text."
    if (config.upsample, config.null) == ("conv", "learned"):
        variant = "The variant of NATOPS: upsampling by convolution, a learned vector for no text."
    trained = (
        {"eps": "noise", "v": "velocity"}[config.prediction],
        {"grid": "grids", "offset": "offsets", "root": "roots of offsets"}[config.motion],
    )
    return f"{variant} It predicts {trained[0]} on {trained[1]}."


def load(config: AutoencoderConfig | FlowUNetConfig, state: dict[str, Tensor]) -> torch.nn.Module:
    """The network in eval mode on these weights, without drawing random ones first."""
    with torch.device("meta"):
        net = build_network(config)
    # load_state_dict wants the counters of the norms, which are not stored.
    counters = {name: torch.tensor(0) for name in net.state_dict() if name.endswith("num_batches_tracked")}
    net.load_state_dict(counters | state, assign=True)
    return net.eval().requires_grad_(False)


def save(path: str | Path, config: AutoencoderConfig | FlowUNetConfig, state: dict[str, Tensor], /, **metadata) -> Path:
    """Write a Duet flow file: safetensors with its configuration and a checksum; nothing half-written has its name."""
    kind = "autoencoder" if isinstance(config, AutoencoderConfig) else "unet"
    state = {name: value for name, value in state.items() if not CONSTANT.search(name)}
    text = json.dumps({STORED[kind]: json.loads(config.to_json())})
    notes = {name: str(value) for name, value in metadata.items()}
    return write_safely(path, state, {**notes, "duet_flow": text, "duet_crc32": checksum(state, text)})


def convert(
    source: str | Path,
    target: str | Path,
    heat_map_padding: int | None = None,
    half: bool = False,
    notes: dict[str, str] | None = None,
) -> Report:
    """A released file as a Duet flow file, a third of its size where it held an optimiser."""
    source, target = Path(source), Path(target)
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target.name} is the source itself: choose another name for the target.")
    config, state, report = open_part(source, None, heat_map_padding)
    state = {name: value.half() for name, value in state.items()} if half else state
    save(target, config, state, **(notes or {}) | {"source": source.name})
    return report


def flow_kind(path: Path) -> str | None:
    """Which of the two networks a file holds; None for every other file."""
    try:
        return kind_of(read(path).shapes)
    except ValueError:
        return None
