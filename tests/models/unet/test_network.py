"""The video U-Net against diffusers' own 2-D networks, and what its adapters may reach."""

import copy
from dataclasses import replace

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from pack.models.pair.layout import ClipLayout
from pack.models.unet.attention.same_place import SamePlace
from pack.models.unet.config import IDOL, SD1, SD2_DEPTH, TINY, TINY_IDOL
from pack.models.unet.config_file import from_json, to_json
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.inflation import inflate_unet
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from torch.utils._python_dispatch import TorchDispatchMode

PAIR = with_switches(IDOL, foreground_width=0, **TINY)
ADAPTERS = ("tem_", "cross_modal", "same_place", "class_embedding", "conv_bg", "clip_proj")


def fill(net, seed=0, std=0.05):
    """Every tensor random and none zero, so that no block is trivial."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * std + (1.0 if "norm" in name and "weight" in name else 0.0))
    return net.eval()


def plain(config):
    return fill(UNet2DConditionModel(**{**config.base(), "num_class_embeds": None}))


def inputs(config, batch, size=16, seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, config.in_channels, size, size, generator=g)
    return x, torch.tensor([417.0]), torch.randn(batch, 7, config.cross_attention_dim, generator=g)


BASES = {
    "sd1": {},
    "two layers": {"layers_per_block": 2},
    "linear projection": {"use_linear_projection": True, "attention_head_dim": (1, 2), "cross_attention_dim": 64},
    "depth channel": {"in_channels": 5},
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("place", ["before_cross_attention", "after_feed_forward"])
def test_at_birth_it_is_the_2d_network_frame_by_frame(base, place):
    config = with_switches(PAIR, **BASES[base], temporal_place=place, same_place=True)
    original = plain(config)
    net = inflate_unet(original.state_dict(), config).eval()
    x, t, context = inputs(config, 12)
    with torch.no_grad():
        answer = net(x, t, context, chunks=2, background=None)
        assert (answer - original(x, t, context).sample).abs().max() == 0.0
        assert answer.std() > 0.01


def test_names_of_the_2d_network_are_untouched():
    names = set(VideoUNet(PAIR).state_dict())
    assert set(plain(PAIR).state_dict()) <= names
    assert all(any(part in name for part in ADAPTERS) for name in names - set(plain(PAIR).state_dict()))


def test_a_background_enters_as_noise_does():
    """conv_bg starts as conv_in without bias: adding background latents to the noise, as the paper says."""
    original = plain(PAIR)
    conv, added = (
        inflate_unet(original.state_dict(), replace(PAIR, background=mode)).eval() for mode in ("conv", "add")
    )
    silent = inflate_unet(original.state_dict(), replace(PAIR, background="zero")).eval()
    x, t, context = inputs(PAIR, 4)
    background = torch.randn(4, 4, 16, 16)
    with torch.no_grad():
        expected = original(x + background, t, context).sample
        assert torch.equal(added(x, t, context, background=background), expected)
        assert torch.allclose(conv(x, t, context, background=background), expected, atol=1e-5)
        assert torch.equal(silent(x, t, context, background=background), original(x, t, context).sample)


def test_a_network_that_reads_a_background_already_goes_on_reading_it_as_it_did():
    one = with_switches(PAIR, modalities=1, label=False, cross_modal="none")
    before = fill(VideoUNet(one))
    after = inflate_unet(before.state_dict(), PAIR)
    assert torch.equal(after.conv_bg.weight, before.conv_bg.weight)


def count(config):
    with torch.device("meta"):
        unet, control = VideoUNet(config), PoseControlNet(config)
    return sum(p.numel() for net in (unet, control) for p in net.parameters())


def test_parameters_of_the_paper():
    """1.39B without and 1.41B with cross-modal attention, U-Net and pose ControlNet together."""
    temporal = with_switches(SD1, modalities=2, temporal="native")
    assert count(temporal) == 1_393_488_084
    assert count(with_switches(temporal, cross_modal="all")) == 1_410_552_404
    assert count(IDOL) == 1_411_353_236
    with torch.device("meta"):
        assert sum(p.numel() for p in VideoUNet(SD1).parameters()) == 859_520_964
        assert sum(p.numel() for p in VideoUNet(SD2_DEPTH).parameters()) == 865_913_604


def reached(config, index, batch=12, chunks=2):
    """Which of the (k m f) answers change when one latent changes."""
    net = fill(VideoUNet(config), 5)
    x, t, context = inputs(config, batch)
    other = x.clone()
    other[index] += 1
    with torch.no_grad():
        change = (net(x, t, context, chunks=chunks) - net(other, t, context, chunks=chunks)).abs().amax((1, 2, 3))
    return set((change > 0).nonzero()[:, 0].tolist())


@pytest.mark.parametrize(
    ("temporal", "cross_modal", "expected"),
    [
        ("none", "none", {1}),
        ("native", "none", {0, 1, 2}),
        ("none", "all", {1, 4}),
        ("none", "deep", {1, 4}),
        ("native", "all", {0, 1, 2, 3, 4, 5}),
    ],
)
def test_a_change_reaches_what_the_adapters_say_and_never_another_chunk(temporal, cross_modal, expected):
    """Two chunks of three video and three depth frames; video frame 1 of the first, then depth frame 1 of the second."""
    config = with_switches(PAIR, temporal=temporal, cross_modal=cross_modal)
    assert reached(config, 1) == expected
    mirrored = {6 + (i + 3) % 6 for i in expected}
    assert reached(config, 6 + 4) == mirrored


def test_the_same_place_is_that_of_the_other_half_in_the_same_frame():
    config = with_switches(PAIR, temporal="none", cross_modal="none", same_place=True)
    assert reached(config, 1) == {1, 4}
    assert reached(config, 6 + 4) == {6 + 4, 6 + 1}


def test_the_same_place_is_one_pixel():
    """Two chunks of two video and two depth frames; a pixel of the first chunk's depth."""
    layout = ClipLayout()
    layout.cut(8, chunks=2, modalities=2)
    told = fill(SamePlace(4, layout), 11)
    x = torch.randn(8, 4, 5, 5, generator=torch.Generator().manual_seed(2))
    other = x.clone()
    other[2, :, 1, 3] += torch.tensor([1.0, -1.0, 2.0, 0.5])
    with torch.no_grad():
        changed = (told(other) - told(x)).abs().amax(1) > 1e-6
    assert changed.nonzero().tolist() == [[0, 1, 3], [2, 1, 3]]
    layout.cut(8, chunks=2, modalities=1)
    assert torch.equal(told(x), x)


def test_clip_norms_reach_over_time_and_frame_norms_do_not():
    config = with_switches(PAIR, temporal="none", cross_modal="none")
    assert reached(config, 1) == {1}
    assert reached(replace(config, group_norm="clip"), 1) == {0, 1, 2}


def test_swapping_halves_and_labels_swaps_the_answer():
    net = fill(VideoUNet(PAIR), 7)
    x, t, context = inputs(PAIR, 8)
    swapped = torch.cat((x[4:], x[:4])), t, torch.cat((context[4:], context[:4]))
    labels = torch.tensor([0] * 4 + [1] * 4)
    with torch.no_grad():
        a, b = net(x, t, context, labels=labels), net(*swapped, labels=1 - labels)
    b = torch.cat((b[4:], b[:4]))
    assert ((a - b).norm() / a.norm()) < 1e-5
    with torch.no_grad():
        same_labels = net(*swapped, labels=labels)
    assert (torch.cat((same_labels[4:], same_labels[:4])) - a).norm() / a.norm() > 1e-3, "the label matters"


def test_one_modality_alone_takes_half_the_batch():
    net = fill(VideoUNet(PAIR), 3)
    x, t, context = inputs(PAIR, 6)
    with torch.no_grad():
        video = net(x, t, context, modalities=1, labels=torch.zeros(6, dtype=torch.long))
        depth = net(x, t, context, modalities=1, labels=torch.ones(6, dtype=torch.long))
    assert video.shape == x.shape and (video - depth).abs().max() > 1e-3


@pytest.mark.parametrize(("batch", "chunks"), [(5, 1), (6, 2), (2, 2), (0, 1)])
def test_a_batch_that_cannot_be_cut_is_refused_with_the_numbers(batch, chunks):
    net = VideoUNet(PAIR)
    x, t, context = inputs(PAIR, batch)
    with pytest.raises(ValueError, match=f"got {batch} latents in {chunks} .* divide by {2 * chunks}"):
        net(x, t, context, chunks=chunks)


@pytest.mark.parametrize("size", [8, 9, 15])
def test_sizes_that_do_not_halve(size):
    net = VideoUNet(PAIR).eval()
    x, t, context = inputs(PAIR, 2, size)
    with torch.no_grad():
        assert net(x, t, context).shape == x.shape


def test_controlnet_is_diffusers_own_at_birth_and_fits_the_unet():
    unet = fill(VideoUNet(with_switches(PAIR, temporal="native")), 2)
    net = PoseControlNet.copied_from(unet).eval()
    x, t, context = inputs(PAIR, 8)
    pose = torch.rand(8, 3, 128, 128)
    with torch.no_grad():
        down, mid = net(x, t, context, pose)
        assert not any(part.any() for part in (*down, mid)), "silent at birth"
        answer = unet(x, t, context)
        assert torch.equal(unet(x, t, context, control={"down": down, "mid": mid}), answer)
    plain_net = fill(ControlNetModel(**controlnet_arguments(PAIR)), 4)
    net = PoseControlNet(PAIR).eval()
    missing, unexpected = net.load_state_dict(plain_net.state_dict(), strict=False)
    assert not unexpected and all("tem_" in name for name in missing)
    with torch.no_grad():
        down, mid = net(x, t, context, pose)
        expected = plain_net(x, t, context, pose, return_dict=False)
    assert all(torch.equal(a, b) for a, b in zip([*down, mid], [*expected[0], expected[1]], strict=True))


def controlnet_arguments(config):
    return {k: v for k, v in config.base().items() if k not in ("out_channels", "up_block_types", "num_class_embeds")}


def test_controlnet_residuals_reach_through_time():
    net = fill(PoseControlNet(PAIR), 4)
    x, t, context = inputs(PAIR, 6)
    pose = torch.rand(6, 3, 128, 128)
    other = pose.clone()
    other[1] = 1 - other[1]
    with torch.no_grad():
        change = (net(x, t, context, pose)[1] - net(x, t, context, other)[1]).abs().amax((1, 2, 3))
    assert set((change > 0).nonzero()[:, 0].tolist()) == {0, 1, 2}, "all frames of its own stream, none of the other"


def test_a_controlnet_with_a_label_tells_video_from_depth():
    """The same latents and poses in both halves: only a label can tell them apart, and it does the same for one alone."""
    video, _, context = inputs(PAIR, 3)
    x, context, t = torch.cat((video, video)), context.repeat(2, 1, 1), torch.tensor(500)
    pose = torch.rand(3, 3, 128, 128)
    with torch.no_grad():
        plain = fill(PoseControlNet(PAIR), 4)(x, t, context, pose)[1]
        net = fill(PoseControlNet(with_switches(PAIR, label_in_controlnet=True)), 4)
        told = net(x, t, context, pose)[1]
        alone = net(video, t, context[:3], pose, modalities=1, labels=torch.ones(3, dtype=torch.long))[1]
    assert torch.allclose(plain[:3], plain[3:], atol=1e-5)
    assert (told[:3] - told[3:]).abs().max() > 1e-2
    assert torch.allclose(alone, told[3:], atol=1e-5)


def test_a_label_in_the_controlnet_begins_as_that_of_its_unet():
    unet = fill(VideoUNet(with_switches(PAIR, label_in_controlnet=True)), 2)
    assert torch.equal(PoseControlNet.copied_from(unet).class_embedding.weight, unet.class_embedding.weight)
    without = VideoUNet(with_switches(PAIR, label=False, label_in_controlnet=True))
    assert not PoseControlNet.copied_from(without).class_embedding.weight.any(), "silent where the U-Net has none"


class Largest(TorchDispatchMode):
    """The most bytes that a tensor of a run takes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        for made in answer if isinstance(answer, tuple | list) else [answer]:
            if isinstance(made, torch.Tensor):
                self.bytes = max(self.bytes, made.untyped_storage().nbytes())
        return answer


def test_sampling_asks_for_no_piece_of_memory_that_the_system_takes_back():
    """8 + 8 frames of 256 pixels; above 32 MB a piece is fetched anew every time, which costs a sixth of the step."""
    net = fill(VideoUNet(with_switches(TINY_IDOL, foreground_width=0)))
    x, t, context = inputs(net.video, 16, size=32)
    with torch.no_grad(), Largest() as largest:
        net(x, t, context)
    assert 8 << 20 < largest.bytes < 32 << 20


@pytest.mark.parametrize("tokens", [64, 320])
def test_training_and_sampling_give_the_same_answer(tokens, monkeypatch):
    """Sampling works in place and in parts of few pictures, training on everything at once."""
    from pack.models.unet import blocks

    monkeypatch.setattr(blocks, "PART_TOKENS", tokens)
    monkeypatch.setattr(blocks, "PART_BYTES", 0)
    net = fill(VideoUNet(replace(PAIR, group_norm="clip")))
    x, t, context = inputs(PAIR, 10)
    trained = net(x, t, context)
    with torch.no_grad():
        sampled = net(x, t, context)
    torch.testing.assert_close(sampled, trained, atol=1e-5, rtol=1e-5)


def test_a_copy_is_a_network_of_its_own():
    """Deep copies (the host's trainer, EMA) must not share the layout or the adapters with the original."""
    net = fill(VideoUNet(PAIR), 6)
    twin = copy.deepcopy(net)
    x, t, context = inputs(PAIR, 8)
    with torch.no_grad():
        before = net(x, t, context)
        fill(twin, 9)
        twin(x[:4], t, context[:4])
        assert torch.equal(net(x, t, context), before)


def test_gradients_reach_every_parameter():
    config = with_switches(PAIR, same_place=True)
    net = fill(VideoUNet(config), 8)
    x, t, context = inputs(config, 4)
    net(x, t, context, background=torch.randn_like(x)).square().mean().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_config_round_trip_and_refusals():
    assert from_json(to_json(IDOL)) == IDOL
    with pytest.raises(ValueError, match="newer version.*cubism"):
        from_json('{"cubism": 3}')
    with pytest.raises(ValueError, match="temporal is one of none, native"):
        with_switches(SD1, temporal="sideways")
    with pytest.raises(ValueError, match="1 or 2 modalities"):
        with_switches(SD1, modalities=3)


def test_weights_of_another_shape_are_refused_with_names():
    state = plain(PAIR).state_dict()
    state.pop("conv_out.weight")
    state["surplus.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="1 are missing and 1 are left over, such as conv_out.weight, surplus.weight"):
        inflate_unet(state, PAIR)
