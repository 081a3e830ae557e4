"""Opening a pair on Wan 2.2: UnityVideo's released files, in any precision, and those that were saved from here."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ....models.files.opening import misfit
from ....models.files.reading import Weights, read_weights
from ....models.files.report import Report
from ....models.files.scaled import without_scales
from .names import RELEASED, own_name

KEY = "duet_wan"  # metadata of our own files: what their shapes do not tell
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "module.")
HEAD = 128  # features of an attention head in every released Wan
EMBEDDINGS = "modality.embeddings."
MOST = {"blocks": 100, "width": 16384}
EXPECTED = "a pair on Wan 2.2, such as unityvideo_wan22_ti2v_5b_step15000_ema.safetensors"


@dataclass(frozen=True)
class OpenedPair:
    """The shape of a network, its weights under PairWanModel's names, and what was found."""

    config: dict
    state: dict[str, Tensor]
    report: Report


def open_wan_pair(path: str | Path) -> OpenedPair:
    """A file of a pair; every weight must have its place, and the reverse."""
    file = in_own_names(without_scales(read_weights(path)))
    config = config_of(file)
    expected, found = expected_shapes(config), dict(file.shapes)
    if found != expected:
        raise ValueError(f"{file.name} looks like a pair on Wan 2.2 but does not fit: {misfit(found, expected)}")
    shown = ", ".join(config["modalities"])
    notes = (f"Its second stream shows {shown}.", f"{config['num_layers']} blocks, {config['dim']} features wide.")
    return OpenedPair(config, file.state(), Report("Wan 2.2 pair (UnityVideo)", len(found), (), (), notes))


def in_own_names(file: Weights) -> Weights:
    """The same weights under PairWanModel's names; a file of another kind is refused by what it is."""
    prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in file.shapes)), "")
    file = file.without(prefix) if prefix else file
    if "flow_in.weight" in file.shapes and all(name.startswith(tuple(RELEASED)) for name in file.shapes):
        return file.pick({own_name(name): name for name in file.shapes})
    if "modality.flow_in.weight" in file.shapes:
        return file
    if "patch_embedding.weight" in file.shapes and any(name.startswith("blocks.0.self_attn.") for name in file.shapes):
        raise ValueError(
            f"{file.name} holds a plain Wan model of one video, but {EXPECTED} was expected: load it with Load Diffusion "
            "Model, or choose a file of the pair."
        )
    raise ValueError(f"{file.name} holds another kind of model, but {EXPECTED} was expected: choose that.")


def config_of(file: Weights) -> dict:
    """The shape of the network, read from the shapes of its weights."""
    try:
        dim, channels = file.shapes["patch_embedding.weight"][:2]
        patch = tuple(file.shapes["patch_embedding.weight"][2:])
        blocks = 1 + max(int(name.split(".")[1]) for name in file.shapes if name.startswith("blocks."))
        config = {
            "dim": dim,
            "in_dim": channels,
            "ffn_dim": file.shapes["blocks.0.ffn.0.weight"][0],
            "freq_dim": file.shapes["time_embedding.0.weight"][1],
            "text_dim": file.shapes["text_embedding.0.weight"][1],
            "out_dim": file.shapes["head.head.weight"][0] // (patch[0] * patch[1] * patch[2]),
            "patch_size": patch,
            "num_layers": blocks,
            "num_heads": dim // HEAD,
        } | saved_shape(file)
        sound = 0 < blocks <= MOST["blocks"] and 0 < dim <= MOST["width"] and dim % config["num_heads"] == 0
    except (KeyError, IndexError, ValueError, ZeroDivisionError, TypeError):
        sound = False
    if not sound:
        raise ValueError(f"{file.name} has no shape of {EXPECTED}: it is damaged. Download it again.")
    names = [name.removeprefix(EMBEDDINGS) for name in file.shapes if name.startswith(EMBEDDINGS)]
    return config | {"modalities": tuple(sorted(names))}


def saved_shape(file: Weights) -> dict:
    """The number of heads of one of our own files."""
    if KEY not in file.metadata:
        return {}
    return {"num_heads": int(json.loads(file.metadata[KEY])["num_heads"])}


def expected_shapes(config: dict) -> dict[str, tuple]:
    """Names and shapes of the network, without its memory."""
    from .network import PairWanModel

    with torch.device("meta"):
        network = PairWanModel(**config, dtype=torch.float32, operations=torch.nn)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
