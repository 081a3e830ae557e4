"""The labels of a flow model: one text vector for each, in the model's own file or in a separate one.

A file of ours keeps them as the tensor "labels.weight" (number, width) with their names in its metadata "duet_labels".
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..files.reading import Weights, read_weights
from ..files.report import Report
from .checkpoint import LABEL_VECTORS, open_flow_unet, read
from .config import FlowUNetConfig

LABEL_NAMES = "duet_labels"
NO_TEXT = ("", "none")  # prompts without text, as in training


class Labels(NamedTuple):
    names: tuple[str, ...]
    vectors: Tensor  # (number, width)

    def vector(self, text: str) -> Tensor:
        """(1, width) of a label, regardless of case and spaces."""
        same = lambda words: " ".join(words.casefold().split())
        for i, name in enumerate(self.names):
            if same(name) == same(text):
                return self.vectors[i : i + 1].float()
        raise ValueError(f'"{text.strip()}" is not a label of this model: use one of {", ".join(self.names)}.')


def is_empty(text: str) -> bool:
    return text.strip().casefold() in NO_TEXT


def labels_of(file: Weights, width: int | None = None) -> Labels | None:
    """The labels in an open file, or none."""
    if LABEL_VECTORS not in file.shapes:
        return None
    try:
        names = json.loads(file.metadata[LABEL_NAMES])
        fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    except (KeyError, ValueError):
        fits = False
    shape = file.shapes[LABEL_VECTORS]
    if not fits or len(shape) != 2 or shape[0] != len(names) or width not in (None, shape[1]):
        raise ValueError(
            f"{file.name} has label vectors of shape {tuple(shape)} whose names do not fit them: it is damaged. "
            "Save it again."
        )
    return Labels(tuple(names), file.pick({LABEL_VECTORS: LABEL_VECTORS}).state()[LABEL_VECTORS])


def open_flow_model(path: str | Path) -> tuple[FlowUNetConfig, dict[str, Tensor], Report, Labels | None]:
    """A flow U-Net of any variant with the labels in its file."""
    config, state, report = open_flow_unet(path)
    labels = labels_of(read(Path(path)), config.text_width)
    if labels is not None:
        notes = (*report.notes, f"Its {len(labels.names)} labels: {', '.join(labels.names)}.")
        report = replace(report, notes=notes)
    return config, state, report, labels


def open_labels(path: str | Path) -> Labels:
    """The labels of a file, of a flow model or of labels only."""
    labels = labels_of(read_weights(path))
    if labels is None:
        raise ValueError(
            f"{Path(path).name} has no label vectors, expected a tensor {LABEL_VECTORS} and names in its metadata "
            f"{LABEL_NAMES}: choose another file."
        )
    return labels


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """(B, T, width) outputs of BERT and its (B, T) mask to (B, width): the mean of all tokens but the first.

    LFDM's own pooling: the first token ([CLS]) is left out, the last ([SEP]) counts.
    """
    counts = mask[:, 1:].to(states)[..., None]
    return (states[:, 1:] * counts).sum(1) / (counts.sum(1) + 1e-8)
