"""Examples that worker processes read or render while this one encodes them."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.utils.data import DataLoader

Examples = list[dict[str, Tensor]]


def encoded(
    raw: Callable[[int], dict], encode: Callable[[dict], dict], numbers: Sequence[int], workers: int
) -> Examples:
    """Each number's raw example, encoded here on the device while worker processes read or render the next ones."""
    loader = DataLoader(Raw(raw), batch_size=None, sampler=numbers, num_workers=workers, collate_fn=identity)
    # What a worker sent lies in memory that is shared with it, and open files are few: a copy is kept instead.
    own = (lambda one: {name: value.clone() for name, value in one.items()}) if workers else (lambda one: one)
    return [own(encode(one)) for one in loader]


def identity(example: dict) -> dict:
    return example


class Raw:
    """The examples before encoding, as a data set for a loader."""

    def __init__(self, raw: Callable[[int], dict]):
        self.raw = raw

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return self.raw(number)
