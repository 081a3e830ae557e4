"""Sentences of a small fixed vocabulary as tokens that a model's own projection turns into vectors.

A token encodes the word at its place and the two that follow, each as a one in a row of zeros. So the projection is a
table of word vectors, one table for each of the three, and "red shirt" differs from "red room" although attention over
tokens has no order. The vocabulary is stored in the model's configuration.

Letters: T tokens, V words of the vocabulary.
"""

import re

import torch
from torch import Tensor

TOKENS = 40  # of every sentence; the rest are zeros, as is the whole of an empty sentence
REACH = 3  # a word and the two after it


def token_width(words: tuple[str, ...]) -> int:
    """Width of a token: what `foreground_width` is for a model of these words."""
    return REACH * len(words)


def split_words(text: str) -> list[str]:
    """The words of a sentence in small letters, without its punctuation."""
    return re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", text.lower())


def word_tokens(text: str, words: tuple[str, ...]) -> Tensor:
    """A sentence as (T, 3 V) zeros and ones; an unknown word is refused with the list of the vocabulary."""
    found = split_words(text)
    unknown = [word for word in dict.fromkeys(found) if word not in words]
    if unknown:
        raise ValueError(
            f"text: expected words that this model was trained with, got {', '.join(unknown)}. "
            f"Its words are: {', '.join(words)}."
        )
    if len(found) > TOKENS:
        raise ValueError(f"text: expected at most {TOKENS} words, got {len(found)}: make the sentence shorter.")
    tokens = torch.zeros(TOKENS, REACH, len(words))
    for place in range(len(found)):
        for ahead, word in enumerate(found[place : place + REACH]):
            tokens[place, ahead, words.index(word)] = 1
    return tokens.flatten(1)
