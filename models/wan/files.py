"""Opening a pair on Wan 2.2: UnityVideo's released files, in any precision, and those that were saved from here."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..files.opening import misfit
from ..files.reading import Weights, read_weights
from ..files.report import Report
from ..files.scaled import without_scales
from ..files.writing import write_safely
from .names import RELEASED, own_name
from .network import PairNetwork, PairShape

KEY = "duet_wan"  # metadata of our own files: what their shapes do not tell
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "module.")
VIDEO, PICTURES = "video", "pictures"  # latents of a video VAE (48 channels, 4 frames each), or of each frame alone
HEAD = 128  # features of an attention head in every released Wan
EMBEDDINGS = "modality.embeddings."
ADDED = ("modality.", "head.modality.")  # what plain Wan does not have
MOST = {"blocks": 100, "width": 16384, "heads": 1024, "words": 10000}
FAMILY = "Wan 2.2 pair (UnityVideo)"
EXPECTED = "a pair on Wan 2.2, such as unityvideo_wan22_ti2v_5b_step15000_ema.safetensors"


@dataclass(frozen=True)
class PairNotes:
    """What one of our own files says of itself; the released ones say nothing and are as here."""

    num_heads: int | None = None  # the width of a head is HEAD unless given
    latents: str = VIDEO
    words: tuple[str, ...] = ()  # the vocabulary of a model without a text encoder

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value})


@dataclass(frozen=True)
class OpenedPair:
    """The shape of a network, its weights under PairNetwork's names, what its file says of itself, and what was found."""

    shape: PairShape
    state: dict[str, Tensor]
    notes: PairNotes
    report: Report

    @property
    def config(self) -> dict:
        """The shape as keywords, which are those of ComfyUI's own class."""
        return asdict(self.shape)


def open_wan_pair(path: str | Path) -> OpenedPair:
    """A file of a pair; every weight must have its place, and the reverse."""
    file = in_own_names(without_scales(read_weights(path)))
    notes = notes_of(file)
    shape = shape_of(file, notes)
    expected, found = expected_shapes(shape), dict(file.shapes)
    if found != expected:
        raise ValueError(f"{file.name} looks like a pair on Wan 2.2 but does not fit: {misfit(found, expected)}")
    said = [f"Its second stream shows {', '.join(shape.modalities)}."]
    said += [f"{shape.num_layers} blocks, {shape.dim} features wide."]
    said += ["It samples the latents of an image VAE, frame by frame."] if notes.latents == PICTURES else []
    said += [f"Its prompts have a vocabulary of {len(notes.words)} words."] if notes.words else []
    return OpenedPair(shape, file.state(), notes, Report(FAMILY, len(found), (), (), tuple(said)))


def open_plain_wan(path: str | Path) -> tuple[PairShape, dict[str, Tensor]] | None:
    """Wan of one video, as the start of a training: its shape with UnityVideo's modalities, and its weights; None for a pair."""
    file = without_prefix(without_scales(read_weights(path)))
    if not is_plain(file):
        return None
    shape = replace(shape_of(file, PairNotes()), modalities=())
    own = {name: size for name, size in expected_shapes(shape).items() if not name.startswith(ADDED)}
    if dict(file.shapes) != own:
        raise ValueError(f"{file.name} looks like Wan 2.2 TI2V 5B but does not fit: {misfit(dict(file.shapes), own)}")
    return shape, file.state()


def save_wan_pair(path: str | Path, state: dict[str, Tensor], notes: PairNotes, /, **metadata) -> Path:
    """Write a file that open_wan_pair opens."""
    return write_safely(path, state, {KEY: notes.to_json(), **metadata})


def in_own_names(file: Weights) -> Weights:
    """The same weights under PairNetwork's names; a file of another kind is refused by what it is."""
    file = without_prefix(file)
    if "flow_in.weight" in file.shapes and all(name.startswith(tuple(RELEASED)) for name in file.shapes):
        return file.pick({own_name(name): name for name in file.shapes})
    if "modality.flow_in.weight" in file.shapes:
        return file
    if is_plain(file):
        raise ValueError(
            f"{file.name} holds a plain Wan model of one video, but {EXPECTED} was expected: load it with Load Diffusion "
            "Model, or choose a file of the pair."
        )
    raise ValueError(f"{file.name} holds another kind of model, but {EXPECTED} was expected: choose that.")


def without_prefix(file: Weights) -> Weights:
    """The weights without what other programs write in front of every name."""
    prefix = next((p for p in PREFIXES if any(name.startswith(p) for name in file.shapes)), "")
    return file.without(prefix) if prefix else file


def is_plain(file: Weights) -> bool:
    """Whether a file holds Wan without a second stream."""
    wan = "patch_embedding.weight" in file.shapes and "blocks.0.self_attn.q.weight" in file.shapes
    return wan and "modality.flow_in.weight" not in file.shapes


def notes_of(file: Weights) -> PairNotes:
    """What the metadata of one of our own files says; a file that cannot mean it is refused."""
    if KEY not in file.metadata:
        return PairNotes()
    try:
        said = json.loads(file.metadata[KEY])
        notes = PairNotes(**said | {"words": tuple(said.get("words", ()))})
        heads, words = notes.num_heads, notes.words
        sound = heads is None or (type(heads) is int and 0 < heads <= MOST["heads"])
        sound = sound and notes.latents in (VIDEO, PICTURES)
        sound = sound and len(words) <= MOST["words"] and all(isinstance(word, str) for word in words)
    except (ValueError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise ValueError(
            f"{file.name} says what no pair on Wan 2.2 can be ({KEY}): it is damaged. Download or save it again."
        )
    return notes


def shape_of(file: Weights, notes: PairNotes) -> PairShape:
    """The shape of the network, read from the shapes of its weights."""
    try:
        dim, channels = file.shapes["patch_embedding.weight"][:2]
        patch = tuple(file.shapes["patch_embedding.weight"][2:])
        blocks = 1 + max(int(name.split(".")[1]) for name in file.shapes if name.startswith("blocks."))
        names = sorted(name.removeprefix(EMBEDDINGS) for name in file.shapes if name.startswith(EMBEDDINGS))
        shape = PairShape(
            dim=dim,
            in_dim=channels,
            ffn_dim=file.shapes["blocks.0.ffn.0.weight"][0],
            freq_dim=file.shapes["time_embedding.0.weight"][1],
            text_dim=file.shapes["text_embedding.0.weight"][1],
            out_dim=file.shapes["head.head.weight"][0] // math.prod(patch),
            patch_size=patch,
            num_layers=blocks,
            num_heads=notes.num_heads or dim // HEAD,
            modalities=tuple(names),
        )
        sound = 0 < blocks <= MOST["blocks"] and 0 < dim <= MOST["width"] and dim % shape.num_heads == 0
    except (KeyError, IndexError, ValueError, ZeroDivisionError, TypeError):
        sound = False
    if not sound:
        raise ValueError(f"{file.name} has no shape of {EXPECTED}: it is damaged. Download it again.")
    return shape


def expected_shapes(shape: PairShape) -> dict[str, tuple]:
    """Names and shapes of the network, without its memory."""
    with torch.device("meta"):
        network = PairNetwork(shape)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
