"""Words of 32 bits that carry a number of 16 bits, and how likely a picture without a mark agrees with one of them.

The words are the Reed-Muller code RM(2, 5): any two of them differ in at least 8 bits, so that a clip marked with one number
is not taken for another that is expected. A number and its CRC-16 in the same 32 bits may differ in 4.
"""

from functools import cache
from itertools import combinations
from math import comb

import torch
from torch import Tensor

BITS = 32
NUMBERS = 2**16
# Added to every word: the code contains 0 and its opposite, which a flat picture may give.
OFFSET = torch.tensor([int(bit) for byte in b"Duet" for bit in f"{byte:08b}"], dtype=torch.uint8)


@cache
def words() -> Tensor:
    """(65536, 32) bits, the word of each number."""
    places = torch.arange(BITS) >> torch.arange(5)[:, None] & 1
    products = [one * other for one, other in combinations(places, 2)]
    basis = torch.stack([torch.ones(BITS, dtype=torch.int64), *places, *products]).float()
    numbers = torch.arange(NUMBERS)[:, None] >> torch.arange(len(basis)) & 1
    return (numbers.float() @ basis % 2).to(torch.uint8) ^ OFFSET


def nearest(scores: Tensor) -> int:
    """The number whose word fits (32,) scores best; a score above 0 stands for a bit of 1."""
    return int((words().float() @ scores).argmax())


def matched(scores: Tensor, number: int) -> Tensor:
    """How many of the bits (..., 32) agree with the word of a number."""
    return ((scores > 0) == words()[number]).sum(-1)


def chance(bits: int, tried: int) -> float:
    """How likely 32 tossed coins agree in so many bits with one of the words that were tried, at most."""
    one = sum(comb(BITS, k) for k in range(bits, BITS + 1)) / 2**BITS
    return min(1.0, tried * one)
