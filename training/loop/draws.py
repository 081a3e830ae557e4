"""Random numbers that depend on what they are for, never on when or where they are drawn.

Every draw is keyed by (seed, purpose, position): the position counts the micro-batches of a whole run, over all
processes. So a run that is resumed, or cut over other numbers of processes, draws what it would have drawn.
"""

import hashlib
import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    seed: int
    position: int
    turns: int = 0  # micro-batches of one update, over which `steps` spreads; 0 draws each by itself

    def key(self, purpose: str) -> int:
        text = f"{self.seed}/{purpose}/{self.position}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(self.key(purpose))

    def python(self, purpose: str) -> random.Random:
        return random.Random(self.key(purpose))

    def normal(self, purpose: str, like: Tensor) -> Tensor:
        """Noise of a tensor's shape; made on the CPU, so that every device gets the same."""
        return torch.randn(like.shape, generator=self.generator(purpose)).to(like.device)

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator(purpose))

    def integers(self, purpose: str, high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=self.generator(purpose))

    def steps(self, purpose: str, count: int, *shape: int) -> Tensor:
        """Steps of a schedule of `count`, drawn evenly; those of all examples of an update lie in equal parts of it, one each."""
        if not self.turns:
            return self.integers(purpose, count, *shape)
        examples = math.prod(shape)
        update, turn = divmod(self.position, self.turns)
        parts = self.turns * examples
        order = torch.randperm(parts, generator=Draws(self.seed, update).generator(f"{purpose}, order"))
        inside = torch.rand(examples, generator=self.generator(purpose), dtype=torch.float64)
        drawn = (order[turn * examples : (turn + 1) * examples] + inside) * (count / parts)
        return drawn.long().clamp_max(count - 1).view(shape)


def item_at(seed: int, place: int, length: int) -> int:
    """The item at a place of an endless reading that goes through all `length` items in a new order each time."""
    epoch, inside = divmod(place, length)
    return shuffled(seed, epoch, length)[inside]


_ORDERS: dict[tuple[int, int, int], list[int]] = {}


def shuffled(seed: int, epoch: int, length: int) -> list[int]:
    key = (seed, epoch, length)
    if key not in _ORDERS:
        while len(_ORDERS) > 3:
            _ORDERS.pop(next(iter(_ORDERS)))
        _ORDERS[key] = torch.randperm(length, generator=Draws(seed, epoch).generator("order")).tolist()
    return _ORDERS[key]
