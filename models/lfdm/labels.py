"""The words that a flow model knows: one vector for each label, in the model's own file or in one beside it.

A file of ours keeps them as the tensor "labels.weight" (number, width) with their names in its metadata "duet_labels".
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..files.reading import Weights, read_weights
from ..files.report import Report
from .checkpoint import LABELS, open_flow_unet, read
from .config import FlowUNetConfig

TEXTS = "duet_labels"
NOTHING = ("", "none")  # what means no text, as in training


class Labels(NamedTuple):
    names: tuple[str, ...]
    vectors: Tensor  # (number, width)

    def vector(self, text: str) -> Tensor:
        """(1, width) of a label, however its letters and spaces are written."""
        same = lambda words: " ".join(words.casefold().split())
        for i, name in enumerate(self.names):
            if same(name) == same(text):
                return self.vectors[i : i + 1].float()
        raise ValueError(f'"{text.strip()}" is no label that the model knows. It knows: {", ".join(self.names)}.')


def is_nothing(text: str) -> bool:
    return text.strip().casefold() in NOTHING


def labels_of(file: Weights, width: int | None = None) -> Labels | None:
    """The labels in an open file, or none."""
    if LABELS not in file.shapes:
        return None
    try:
        names = json.loads(file.metadata[TEXTS])
        fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    except (KeyError, ValueError):
        fits = False
    shape = file.shapes[LABELS]
    if not fits or len(shape) != 2 or shape[0] != len(names) or width not in (None, shape[1]):
        raise ValueError(
            f"{file.name} holds vectors of labels of shape {tuple(shape)} whose names do not fit them: it is damaged. "
            "Save it again."
        )
    return Labels(tuple(names), file.pick({LABELS: LABELS}).state()[LABELS])


def open_flow_model(path: str | Path) -> tuple[FlowUNetConfig, dict[str, Tensor], Report, Labels | None]:
    """A flow U-Net of any make with the labels that its file holds."""
    config, state, report = open_flow_unet(path)
    labels = labels_of(read(Path(path)), config.text_width)
    if labels is not None:
        notes = (*report.notes, f"It knows {len(labels.names)} labels: {', '.join(labels.names)}.")
        report = replace(report, notes=notes)
    return config, state, report, labels


def open_labels(path: str | Path) -> Labels:
    """The labels of a file, a flow model's or one that holds nothing else."""
    labels = labels_of(read_weights(path))
    if labels is None:
        raise ValueError(
            f"{Path(path).name} holds no vectors of labels, expected a tensor {LABELS} and names in its metadata "
            f"{TEXTS}: choose another file."
        )
    return labels


def mean_of_words(states: Tensor, mask: Tensor) -> Tensor:
    """(B, T, width) answers of BERT and its (B, T) mask to (B, width): the mean of all tokens but the first.

    The first stands for the sentence and is left out; the one that ends it counts (LFDM's own pooling).
    """
    counts = mask[:, 1:].to(states)[..., None]
    return (states[:, 1:] * counts).sum(1) / (counts.sum(1) + 1e-8)
