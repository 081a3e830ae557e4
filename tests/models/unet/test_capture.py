"""What is captured from the up blocks, and that the network does not notice."""

from dataclasses import replace

import pytest
import torch
from pack.models.unet.attention.capture import capture
from pack.models.unet.config import IDOL, TINY
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches

torch.set_num_threads(1)
PAIR = with_switches(IDOL, foreground_width=0, background="none", **TINY)
DEEP = replace(PAIR, attention_levels=(True, True))
CASES = {
    "tiny": PAIR,
    "all levels": DEEP,
    "linear projection": replace(PAIR, use_linear_projection=True, attention_head_dim=(1, 2)),
    "shared maps": with_switches(PAIR, shared_maps="avg"),
    "motion modules": with_switches(PAIR, temporal="motion_modules"),
    "after feed-forward": with_switches(PAIR, temporal_place="after_feed_forward"),
    "one modality": with_switches(PAIR, modalities=1, label=False, cross_modal="none"),
    "no attention": replace(PAIR, attention_levels=(False, False)),
}


def fill(net, seed=0, std=0.05):
    """Every tensor random and none zero, so that no adapter is silent."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * std + (1.0 if "norm" in name and "weight" in name else 0.0))
    return net


def inputs(batch=4, size=8, seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, size, size, generator=g)
    return x, torch.tensor([417.0]), torch.randn(batch, 7, 768, generator=g)


def processors(net):
    return [module.processor for module in net.modules() if hasattr(module, "set_processor")]


def hooks(net):
    return sum(len(module._forward_pre_hooks) + len(module._forward_hooks) for module in net.modules())


# --- the network does not notice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("features", ["attn1", "hidden", "query"])
def test_answers_and_gradients_are_those_without_it(case, features):
    net, given = fill(VideoUNet(CASES[case])), inputs()
    answers, gradients = [], []
    for captured in (False, True):
        net.zero_grad()
        if captured:
            with capture(net, features) as layers:
                answers.append(net(*given))
        else:
            answers.append(net(*given))
        answers[-1].square().mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert torch.equal(*answers)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
    assert all(layer.features is not None and layer.maps is not None for layer in layers)


def test_it_leaves_the_network_as_it_was_even_after_an_error():
    net = fill(VideoUNet(with_switches(PAIR, shared_maps="video")))
    before = processors(net)
    with capture(net, "hidden") as outer, capture(net) as inner:
        assert hooks(net) == 2 + 4
        net(*inputs())
    assert len(outer) == len(inner) == 2 and torch.equal(outer[0].maps, inner[0].maps), "one around another"
    with pytest.raises(ValueError, match="cannot be cut"), capture(net):
        net(*inputs(3))
    assert all(a is b for a, b in zip(processors(net), before, strict=True)) and hooks(net) == 0


def test_only_the_way_up_is_touched():
    net = VideoUNet(DEEP)
    before = {name: module.processor for name, module in net.named_modules() if hasattr(module, "set_processor")}
    with capture(net, maps=False):
        changed = [name for name, module in net.named_modules() if name in before and module.processor is not before[name]]  # fmt: skip
    assert len(changed) == 4 and all(name.startswith("up_blocks.") and name.endswith(".attn1") for name in changed)


# --- what is captured ------------------------------------------------------------------------------------------------


def seen_by(module, call):
    """Inputs and answer of a module in a pass: the independent witness."""
    seen = []
    handle = module.register_forward_hook(lambda _, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True)  # fmt: skip
    call()
    handle.remove()
    return seen[0]


def test_maps_are_the_softmax_of_each_head():
    """Head by head with nothing but matrices: rows of to_q and to_k belong to heads in runs."""
    net = fill(VideoUNet(PAIR), std=0.2).eval()
    with torch.no_grad(), capture(net) as layers:
        call = lambda: net(*inputs())
        attn = net.up_blocks[1].attentions[1].transformer_blocks[0].attn2
        args, kwargs, _ = seen_by(attn, call)
    tokens, context, maps = args[0].double(), kwargs["encoder_hidden_states"].double(), layers[1].maps
    assert maps.shape == (4, 4, 64, 7)
    width = attn.to_q.weight.shape[0] // 4
    for frame in range(4):
        for head in range(4):
            rows = slice(head * width, (head + 1) * width)
            query = tokens[frame] @ attn.to_q.weight[rows].double().T
            key = context[frame] @ attn.to_k.weight[rows].double().T
            powers = (query @ key.T / width**0.5).exp()
            expected = powers / powers.sum(1, keepdim=True)
            assert (maps[frame, head] - expected).abs().max() < 1e-5
    assert maps.std() > 0.02, "no flat maps"


def test_features_are_what_they_are_called():
    net = fill(VideoUNet(PAIR)).eval()
    block = net.up_blocks[1].attentions[0].transformer_blocks[0]
    found = {}
    with torch.no_grad():
        for kind in ("attn1", "hidden", "query"):
            with capture(net, kind) as layers:
                (residual, *_), _, _ = seen_by(block.norm1, lambda: net(*inputs()))
                (tokens, *_), _, answer = seen_by(block.attn1, lambda: net(*inputs()))
            found[kind] = layers[0].features
        assert torch.equal(found["attn1"], answer)
        assert torch.equal(found["hidden"], answer + residual)
        assert torch.equal(found["query"], block.attn1.to_q(tokens))
    assert layers[0].name == "up_blocks.1.attentions.0.transformer_blocks.0" and layers[0].residual is None


@pytest.mark.parametrize(("size", "side", "grid"), [((8, 8), 32, (8, 8)), ((8, 6), 4, (4, 3)), ((9, 5), 4, (3, 2))])
def test_large_grids_are_averaged(size, side, grid):
    net = fill(VideoUNet(PAIR)).eval()
    x, t, context = inputs()
    x = torch.randn(4, 4, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        with capture(net) as whole:
            net(x, t, context)
        with capture(net, side=side) as small:
            net(x, t, context)
    a, b = whole[0], small[0]
    assert (a.size, a.grid, b.size, b.grid) == (size, size, size, grid)
    step = b.step
    for i in range(grid[0]):
        for j in range(grid[1]):
            square = [y * size[1] + x for y in range(size[0]) for x in range(size[1]) if (y // step, x // step) == (i, j)]  # fmt: skip
            assert torch.allclose(b.features[:, i * grid[1] + j], a.features[:, square].mean(1), atol=1e-6)
            assert torch.allclose(b.maps[:, :, i * grid[1] + j], a.maps[:, :, square].mean(2), atol=1e-6)
    assert torch.allclose(b.maps.sum(-1), torch.ones(1)), "a mean of shares is shares"


def test_averaged_maps_train_as_if_they_were_kept():
    """They are made anew on the way back, after the capture has gone."""
    net, given = fill(VideoUNet(PAIR)), inputs()
    gradients = []
    for kept in (False, True):
        net.zero_grad()
        with capture(net, "none", side=64 if kept else 4) as layers:
            net(*given)
        maps = [layer.maps for layer in layers]
        if kept:
            maps = [m.unflatten(2, (4, 2, 4, 2)).mean((3, 5)).flatten(2, 3) for m in maps]
        sum(m.square().mean() for m in maps).backward()
        gradients.append([layer.grad.clone() for layer in net.parameters() if layer.grad is not None])
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-7) for a, b in zip(*gradients, strict=True))


def test_nine_layers_at_full_size():
    """Stable Diffusion 1 at 256 pixels, eight frames and their depth, without a number computed."""
    with torch.device("meta"):
        net = VideoUNet(IDOL)
        x, t, context = torch.empty(16, 4, 32, 32), torch.empty(16), torch.empty(16, 257, 1024)
        with capture(net) as layers:
            net(x, t, context)
    expected = [(8, 1280)] * 3 + [(16, 640)] * 3 + [(32, 320)] * 3
    assert [tuple(layer.features.shape) for layer in layers] == [(16, side**2, width) for side, width in expected]
    assert [tuple(layer.maps.shape) for layer in layers] == [(16, 8, side**2, 257) for side, _ in expected]


def test_refusals_say_what_to_do():
    net = VideoUNet(PAIR)
    with pytest.raises(ValueError, match="one of attn1, hidden, query, none, not 'value'"), capture(net, "value"):
        pass
    with pytest.raises(ValueError, match="at least 1 token"), capture(net, side=0):
        pass
    net.enable_gradient_checkpointing()
    with pytest.raises(ValueError, match="without gradient checkpointing, but it is on: switch it off"), capture(net):
        pass
