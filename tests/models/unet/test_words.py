"""Sentences as tokens, and what they become in the projection that reads them."""

from dataclasses import replace

import pytest
import torch
from pack.models.stage import sample_scene
from pack.models.stage.caption import VOCABULARY, describe
from pack.models.unet.config import SD2_DEPTH, TINY, WordTokens
from pack.models.unet.config_file import from_json, to_json
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from pack.models.unet.words import TOKENS, split_words, token_width, word_tokens

WORDS = ("a", "ball", "red", "room")


def test_a_token_says_its_word_and_the_two_that_follow():
    tokens = word_tokens("A red, red room.", WORDS).reshape(TOKENS, 3, 4)
    rows = [[list(row).index(1) if row.any() else None for row in token] for token in tokens[:5].numpy()]
    assert rows == [[0, 2, 2], [2, 2, 3], [2, 3, None], [3, None, None], [None, None, None]]
    assert tokens.sum() == 4 + 3 + 2 and not tokens[4:].any()
    assert not word_tokens(" ", WORDS).any(), "an empty sentence says nothing"


def test_the_projection_is_a_table_of_word_vectors():
    config = with_switches(SD2_DEPTH, **TINY, cross_attention_dim=16, words=WORDS, foreground_width=token_width(WORDS))
    net = VideoUNet(config)
    table = net.clip_proj.weight.T.reshape(3, 4, 16)
    made = net.clip_proj(word_tokens("red room", WORDS))
    assert torch.allclose(made[0], table[0, 2] + table[1, 3], atol=1e-6)
    assert torch.allclose(made[1], table[0, 3], atol=1e-6) and not made[2:].any()
    ball = net.clip_proj(word_tokens("red ball", WORDS))
    assert (ball[0] - made[0]).abs().max() > 0.01, "what is red counts"


def test_words_travel_in_the_configuration():
    config = replace(SD2_DEPTH, tokens=WordTokens(WORDS))
    assert from_json(to_json(config)) == config


def test_unknown_words_are_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="got robot, moon. Its words are: a, ball, red, room"):
        word_tokens("a robot, a robot moon", WORDS)
    with pytest.raises(ValueError, match="at most 40 words, got 41"):
        word_tokens("red " * 41, WORDS)


def test_every_caption_of_the_stage_fits():
    longest = 0
    for seed in range(400):
        style = ("natural", "flat", "clay", "grey", "night", "sunset")[seed % 6]
        text = describe(sample_scene(seed, objects=2, style=style))
        tokens = word_tokens(text, VOCABULARY)
        longest = max(longest, len(split_words(text)))
        assert tokens.shape == (TOKENS, token_width(VOCABULARY)) and int(tokens.any(-1).sum()) == len(text.split())
    assert 30 < longest <= TOKENS
