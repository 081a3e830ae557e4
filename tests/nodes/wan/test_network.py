"""The pair on Wan 2.2: equal to the reference, to the released file's names, and to ComfyUI's own Wan where it must be."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from pack.models.wan.layout import joined, picked, side_by_side, streams
from pack.models.wan.names import own_name, released_name
from pack.nodes.host.wan.network import PairWanModel
from tiny.wan import both_models, sample_wan

TESTS = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("parity", TESTS / "parity.py")
parity = sys.modules.setdefault("parity", importlib.util.module_from_spec(spec))
if not hasattr(parity, "CASES"):
    spec.loader.exec_module(parity)
RELEASED = json.loads((TESTS / "golden" / "unityvideo_manifest.json").read_text())
RELEASED_SHAPE = {
    "dim": 3072, "ffn_dim": 14336, "num_heads": 24, "num_layers": 30, "in_dim": 48, "out_dim": 48, "text_dim": 4096,
    "freq_dim": 256, "patch_size": (1, 2, 2),
}  # fmt: skip


def test_it_answers_and_samples_as_the_reference_does():
    for name, ours, theirs in parity.CASES["unityvideo"].answers("", None):
        assert parity.differences(ours, theirs)[1] < 2e-5, name


def test_the_released_file_has_every_key_and_no_other():
    with torch.device("meta"):
        shapes = PairWanModel(**RELEASED_SHAPE, dtype=torch.bfloat16, operations=torch.nn).state_dict()
    assert {own_name(name): tuple(shape) for name, shape in RELEASED.items()} == {
        name: tuple(value.shape) for name, value in shapes.items()
    }
    assert all(released_name(own_name(name)) == name for name in RELEASED)


def test_streams_and_sides_are_inverses():
    tokens = torch.arange(2 * 3 * 2 * 8 * 5).reshape(2, 48, 5).float()
    assert torch.equal(joined(streams(tokens, (3, 2, 8)), (3, 2, 8)), tokens)
    pair = torch.randn(4, 3, 2, 4, 6)
    beside = side_by_side(pair)
    assert torch.equal(beside[1, ..., :6], pair[2]) and torch.equal(beside[1, ..., 6:], pair[3])
    assert torch.equal(picked(torch.cat((beside, beside))), pair)


@pytest.fixture(scope="module")
def both():
    return both_models()


def test_with_copies_it_is_comfyuis_own_wan_on_latents_side_by_side(both):
    pair, plain = both
    g = torch.Generator().manual_seed(1)
    noise, tokens = torch.randn(2, 48, 3, 6, 8, generator=g), torch.randn(1, 7, 24, generator=g)
    ours = side_by_side(sample_wan(pair, noise, tokens.repeat(2, 1, 1), "depth"))
    theirs = sample_wan(plain, side_by_side(noise), tokens)
    assert (ours - theirs).abs().max() < 1e-6 * theirs.abs().max(), (ours - theirs).abs().max() / theirs.abs().max()
