"""The pair on Wan 2.2: equal to the reference, to the released file's names, and to ComfyUI's own Wan where it must be."""

import importlib.util
import json
import sys
from pathlib import Path

import comfy.sample
import pytest
import torch
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.layout import joined, picked, side_by_side, streams
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.host.wan.names import own_name, released_name
from pack.nodes.host.wan.network import PairWanModel
from tiny.wan import host_wan, pair_state

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


def copied(state: dict) -> tuple[dict, dict]:
    """Weights of a plain Wan, and of a pair whose added parts are copies of it and do nothing else."""
    plain = {}
    for name, value in state.items():
        if name.startswith(("patch_embedding.video.", "head.video.")):
            plain[name.replace("video.", "")] = value
        elif not name.startswith(("patch_embedding.", "head.")):
            plain[name] = value
    pair = dict(state)
    for name, value in state.items():
        pair[name.replace(".video.", ".modality.")] = value if ".video." in name else pair[name]
    dim = len(pair["patch_embedding.flow_in.bias"])
    pair["patch_embedding.flow_in.weight"], pair["patch_embedding.flow_in.bias"] = torch.eye(dim), torch.zeros(dim)
    for name in pair:
        if ".embeddings." in name:
            pair[name] = torch.zeros(dim)
    return plain, pair


@pytest.fixture(scope="module")
def both():
    """The pair and ComfyUI's own Wan with the same weights."""
    config, state = pair_state()
    plain, pair = copied(state)
    return native_wan_pair(config, pair, dtype=torch.float32, disable_dynamic=True), host_wan(config, plain)


def sample(model, noise, tokens, shown=None, **more):
    cond = [[tokens, {SHOWN: shown} if shown else {}]]
    return comfy.sample.sample(
        model, noise, 4, 1.0, "euler", "simple", cond, cond, torch.zeros_like(noise), seed=0, disable_pbar=True, **more
    )


def test_with_copies_it_is_comfyuis_own_wan_on_latents_side_by_side(both):
    pair, plain = both
    g = torch.Generator().manual_seed(1)
    noise, tokens = torch.randn(2, 48, 3, 6, 8, generator=g), torch.randn(1, 7, 24, generator=g)
    plain.model.model_sampling.set_parameters(shift=1.0, timesteps=len(pair.model.model_sampling.sigmas))
    ours = side_by_side(sample(pair, noise, tokens.repeat(2, 1, 1), "depth"))
    theirs = sample(plain, side_by_side(noise), tokens)
    assert (ours - theirs).abs().max() < 1e-6 * theirs.abs().max(), (ours - theirs).abs().max() / theirs.abs().max()
