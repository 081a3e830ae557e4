"""The weights in an ONNX file, read without a package for it.

An ONNX file is a protocol buffer: fields of a number, a wire type and a value, some of which are buffers themselves.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

VARINT, EIGHT_BYTES, FOUR_BYTES = 0, 1, 5
GRAPH, WEIGHT = 7, 5  # numbers of fields: the graph of a model, a weight of a graph
DIMENSION, TYPE, NAME, BYTES = 1, 2, 8, 9  # of a weight
FLOAT32 = 1


def read_weights(path: Path) -> dict[str, Tensor]:
    """The float32 weights of a file by their names."""
    weights = {}
    model = memoryview(path.read_bytes())
    for graph in (value for number, value in fields(model) if number == GRAPH):
        for weight in (list(fields(value)) for number, value in fields(graph) if number == WEIGHT):
            shape = [value for number, value in weight if number == DIMENSION]
            parts = dict(weight)
            if parts[TYPE] == FLOAT32:
                values = np.frombuffer(parts[BYTES], "<f4").reshape(shape)
                weights[bytes(parts[NAME]).decode()] = torch.from_numpy(values.copy())
    return weights


def fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The number and the value of each field of a buffer."""
    at = 0
    while at < len(buffer):
        key, at = varint(buffer, at)
        if key & 7 == VARINT:
            value, at = varint(buffer, at)
        else:
            size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(key & 7)
            if size is None:
                size, at = varint(buffer, at)
            value, at = buffer[at : at + size], at + size
        yield key >> 3, value


def varint(buffer: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
