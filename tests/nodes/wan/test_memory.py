"""How much memory a pass of the released network takes, and that ComfyUI expects neither less nor far more."""

import pytest
import torch
from pack.nodes.host.wan.model import native_wan_pair
from tiny.live_memory import LiveMemory, expected, given, in_a_pass, pair_network
from tiny.wan import both_models, pair_state


@pytest.fixture(scope="module")
def network():
    return pair_network()


@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("size", [(256, 256, 33), (832, 480, 33), (1280, 704, 121)])
def test_comfyui_expects_what_a_pass_takes(network, size, chunks):
    read = given(*size, chunks=chunks)
    counted = in_a_pass(network, read)
    assert counted < expected(read[0].shape) < 1.7 * counted


def test_memory_grows_with_tokens_and_not_with_blocks(network):
    """Attention holds no full matrix, and a block leaves nothing behind."""
    small, large = given(256, 256, 33), given(512, 512, 33)
    assert 3.5 < in_a_pass(network, large) / in_a_pass(network, small) < 4.0
    assert in_a_pass(pair_network(2), large) == in_a_pass(network, large)


def test_comfyui_expects_as_much_as_of_its_own_wan_with_a_clip_twice_as_wide():
    pair, own = both_models()
    assert pair.model.memory_required((2, 48, 9, 16, 16)) == own.model.memory_required((1, 48, 9, 16, 32))


def test_what_is_counted_is_what_is_there():
    here = torch.zeros(5, 256)
    with LiveMemory([here]) as memory:
        a = here + 1
        b = a.view(-1)[:10]
        c = torch.cat((a, here))
        del a
        assert memory.now == 5 * 1024 + 10 * 1024, "a view keeps what it is a view of"
        del b
        assert memory.now == c.nbytes and memory.most == 15 * 1024


def test_the_count_of_a_small_pair_is_the_same_with_and_without_numbers():
    config, state = pair_state()
    real = native_wan_pair(config, state, dtype=torch.float32, disable_dynamic=True).model.diffusion_model
    shapes = real.__class__(**config, device="meta", dtype=torch.float32, operations=torch.nn)
    read = lambda device: (
        torch.zeros(2, 48, 3, 8, 8, device=device), torch.zeros(2, device=device), torch.zeros(2, 7, 24, device=device),
    )  # fmt: skip
    assert in_a_pass(real, read("cpu")) == in_a_pass(shapes, read("meta"))
