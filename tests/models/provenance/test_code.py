"""The words of the watermark: far apart, found again with errors in them, and an exact p-value."""

import math

import pytest
import torch
from pack.models.provenance.code import BITS, NUMBERS, chance, matched, nearest, words


def test_any_two_words_differ_in_at_least_8_bits():
    """The code is linear up to its offset, so the distances from one word are those of all."""
    distances = (words() ^ words()[0]).sum(1)
    assert words().shape == (NUMBERS, BITS) and distances[1:].min() == 8
    sample = torch.randint(NUMBERS, (400,), generator=torch.Generator().manual_seed(0)).unique()
    between = (words()[sample][:, None] ^ words()[sample]).sum(-1)
    assert between[~torch.eye(len(sample), dtype=torch.bool)].min() >= 8


def test_flat_words_are_not_in_the_code():
    weights = words().sum(1, dtype=torch.int64)
    assert weights.min() >= 5 and weights.max() <= BITS - 5


@pytest.mark.parametrize("number", [0, 1, 4711, NUMBERS - 1])
def test_three_wrong_bits_lead_to_the_same_number(number):
    scores = 2.0 * words()[number] - 1
    scores[[3, 17, 30]] *= -1
    assert nearest(scores) == number and matched(scores, number) == BITS - 3


def test_a_number_is_not_taken_for_another():
    scores = 2.0 * words()[4711] - 1
    others = torch.arange(NUMBERS) != 4711
    agree = ((scores > 0) == words()).sum(1)
    assert agree[others].max() == BITS - 8 and chance(BITS - 8, 2) > 1e-3


def test_the_chance_is_that_of_tossed_coins():
    assert chance(BITS, 1) == 2.0**-BITS and chance(0, 1) == 1 and chance(30, NUMBERS * 1000) == 1
    assert math.isclose(chance(16, 1) + chance(17, 1), 1)  # heads and tails
    coins = torch.randint(2, (200_000, BITS), generator=torch.Generator().manual_seed(1))
    share = (matched(coins - 0.5, 4711) >= 20).float().mean().item()
    assert share == pytest.approx(chance(20, 1), rel=0.05)
