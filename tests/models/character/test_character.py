"""The character network: released names and outputs, its start as the picture model, and what the reference may reach."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from pack.models.character.guider import PoseGuider, body_features
from pack.models.character.portrait import portrait
from pack.models.character.reference import ReferenceAttention, append_tokens
from pack.models.pair.layout import ClipLayout
from pack.models.unet.config import IDOL, MIMO, MIMO_PAPER, SD1, TINY
from pack.models.unet.config_file import from_json, to_json
from pack.models.unet.inflation import inflate_unet
from pack.models.unet.network import VideoUNet
from pack.models.unet.schedule import NoiseSchedule
from pack.models.unet.switches import with_switches

TESTS = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("parity", TESTS / "parity.py")
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)

MANIFEST = json.loads((TESTS / "golden" / "mimo_manifest.json").read_text(encoding="utf-8"))
SMALL = with_switches(MIMO, **TINY, cross_attention_dim=48)
T = torch.tensor([417.0])


def filled(config, salt=""):
    net = VideoUNet(config).eval()
    net.load_state_dict(parity.fill(net.state_dict(), salt))
    return net


def inputs(config, batch, size=8):
    x = parity.drawn("x", (batch, config.in_channels, size, size))
    return x, parity.drawn("context", (1, 3, config.cross_attention_dim)).expand(batch, -1, -1)


def reference_of(net, seed="", size=8):
    config = net.video
    token = parity.drawn("token" + seed, (1, 1, config.cross_attention_dim))
    return net.read_reference(parity.drawn("picture" + seed, (1, config.out_channels, size, size)), token)


@torch.no_grad()
def test_the_released_answers():
    for name, ours, theirs in parity.mimo(""):
        assert parity.differences(ours, theirs)[1] < 1e-5, name


def test_the_released_names_and_shapes_at_full_size():
    """Every weight of the three files has its place, and the other way round."""
    tables = {name: shape for name, shape in MANIFEST["denoising_unet"].items() if name.endswith("pos_encoder.pe")}
    prefixes = {"denoising_unet": "", "reference_unet": "reference.", "pose_guider": "pose_guider."}
    with torch.device("meta"):
        net = VideoUNet(MIMO)
        state = {
            prefix + name: torch.empty(shape)
            for part, prefix in prefixes.items()
            for name, shape in MANIFEST[part].items()
        }
    assert [len(MANIFEST[part]) for part in prefixes] == [1274, 682, 16] and len(tables) == 42
    missing, unexpected = net.load_state_dict(state, assign=True)
    assert (missing, unexpected) == ([], [])
    assert all(shape == [1, 32, shape[2]] for shape in tables.values())
    count = lambda net: sum(value.numel() for value in net.parameters())
    assert (count(net.reference), count(net.pose_guider)) == (859_508_800, 1_086_480)
    assert count(net) - count(net.reference) - count(net.pose_guider) == 1_312_741_764


def picture_model(config):
    flat = UNet2DConditionModel(**config.reference_unet().base()).eval()
    state = parity.fill(flat.state_dict())
    flat.load_state_dict(state)
    return flat, state


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, in_channels=12)], ids=["scene", "scene and occluder"])
@torch.no_grad()
def test_at_birth_without_a_reference_it_is_the_picture_model(config):
    """Whatever the layers and the motion are: their weights are zero."""
    flat, state = picture_model(config)
    net = inflate_unet(state, config).eval()
    x, context = inputs(config, 4)
    motion = body_features(net.pose_guider, parity.drawn("motion", (4, 3, 64, 64)), x)
    theirs = flat(x[:, :4], T, context).sample
    assert not motion.any()
    assert parity.differences(net(x, T, context, chunks=2, motion=motion), theirs)[1] < 1e-6
    assert all(torch.equal(value, state[name]) for name, value in net.reference.state_dict().items())
    lone = inflate_unet(state, replace(config, in_channels=4)).eval()
    assert torch.equal(lone(x[:, :4], T, context), theirs), "not one bit where the first convolution is the same"


@torch.no_grad()
def test_the_reference_is_what_the_picture_model_sees_in_front_of_its_self_attentions():
    flat, state = picture_model(SMALL)
    net = inflate_unet(state, SMALL).eval()
    latents, context = parity.drawn("two", (2, 4, 8, 8)), parity.drawn("tokens", (2, 1, 48))
    seen = []
    order = [flat.down_blocks[0].attentions[0], flat.mid_block.attentions[0], *flat.up_blocks[1].attentions]
    hooks = [t.transformer_blocks[0].norm1.register_forward_hook(lambda *a: seen.append(a[2])) for t in order]
    flat(latents, torch.zeros(2), context)
    for hook in hooks:
        hook.remove()
    ours = net.read_reference(latents, context)
    assert len(ours) == 2 and len(ours[0]) == len(net.transformer_blocks()) == len(seen) == len(net.readers)
    for n in range(2):
        assert all(torch.equal(mine, theirs[n : n + 1]) for mine, theirs in zip(ours[n], seen, strict=True))


@torch.no_grad()
def test_attention_to_the_reference_written_out():
    """Keys of every frame: its own tokens, then the reference's; the chunk without one sees itself."""
    layout, weights = ClipLayout(), [parity.drawn(name, (12, 12)) for name in "qkv"]
    layout.cut(6, 2, 1)
    x, seen = parity.drawn("tokens", (6, 5, 12)), parity.drawn("seen", (1, 7, 12))
    rule, attend = ReferenceAttention(layout), lambda q, k, v: (q @ k.mT / 12**0.5).softmax(-1) @ v
    rule.features = [None, seen]
    attn = type("Projections", (), {"to_k": lambda s: s @ weights[1], "to_v": lambda s: s @ weights[2]})
    answer = rule.over(attend, *(x @ w for w in weights), attn)
    for i, frame in enumerate(x):
        keys = frame if i < 3 else torch.cat((frame, seen[0]))
        expected = attend(frame @ weights[0], keys @ weights[1], keys @ weights[2])
        assert torch.allclose(answer[i], expected, atol=1e-5)
    assert append_tokens(x, seen).shape == (6, 12, 12)


@torch.no_grad()
def test_the_reference_reaches_its_own_chunk_and_nothing_else():
    net = filled(SMALL)
    x, context = inputs(SMALL, 6)
    (one,), (other,) = reference_of(net, "one"), reference_of(net, "other")
    without = net(x, T, context, chunks=2)
    first = net(x, T, context, chunks=2, reference=[None, one])
    second = net(x, T, context, chunks=2, reference=[None, other])
    assert parity.differences(first[:3], without[:3])[1] < 1e-5, "the half of no character"
    assert torch.equal(first[:3], second[:3]), "is not touched by who the character is"
    moved = (first[3:] - second[3:]).abs().amax((1, 2, 3)), (first[3:] - without[3:]).abs().amax((1, 2, 3))
    assert all((change > 1e-3).all() for change in moved), "all frames see it"
    assert torch.equal(net(x, T, context, chunks=2), without), "nothing of it stays"
    wide = net(x, T, context, chunks=2, reference=[None, *reference_of(net, "one", 12)])
    assert torch.isfinite(wide).all() and parity.differences(wide, first)[1] > 1e-3, "any size of picture"


@torch.no_grad()
def test_frames_reach_frames_of_their_clip_only():
    for config, expected in ((SMALL, {3, 4, 5}), (with_switches(SMALL, temporal="none", motion_mid_block=False), {4})):
        net = filled(config)
        x, context = inputs(config, 6)
        given = {"chunks": 2, "reference": [None, *reference_of(net)]}
        other = x.clone()
        other[4, 4:] += 1  # the scene of one frame
        change = (net(x, T, context, **given) - net(other, T, context, **given)).abs().amax((1, 2, 3))
        assert set((change > 0).nonzero()[:, 0].tolist()) == expected


@torch.no_grad()
def test_a_pair_of_video_and_depth_can_have_a_character():
    config = with_switches(
        IDOL, **TINY, cross_attention_dim=48, foreground_width=0, reference=True, motion_code=(8, 16, 32, 48)
    )
    net = filled(config)
    x, context = inputs(config, 8)
    motion = body_features(net.pose_guider, parity.drawn("m", (8, 3, 64, 64)), x)
    (one,), (other,) = reference_of(net, "one"), reference_of(net, "other")
    one, other = (net(x, T, context, chunks=2, reference=[None, r], motion=motion) for r in (one, other))
    assert parity.differences(one[:4], other[:4])[1] < 1e-5
    assert ((one[4:] - other[4:]).abs().amax((1, 2, 3)) > 1e-4).all(), "video and depth alike"


def test_gradients_reach_both_networks_also_with_checkpointing():
    net = filled(SMALL).train()
    x, context = inputs(SMALL, 2)
    grads = []
    for way in ("plain", "checkpointed"):
        if way == "checkpointed":
            net.enable_gradient_checkpointing()
        net.zero_grad()
        motion = body_features(net.pose_guider, parity.drawn("m", (2, 3, 64, 64)), x)
        net(x, T, context, reference=reference_of(net), motion=motion).square().mean().backward()
        parts = {"reference.down_blocks.0.resnets.0.conv1.weight", "pose_guider.conv_in.weight", "conv_in.weight"}
        found = {name: value.grad.clone() for name, value in net.named_parameters() if name in parts}
        assert len(found) == 3 and all(grad.abs().max() > 0 for grad in found.values())
        grads.append(found)
    assert all(torch.allclose(grads[0][name], grads[1][name], rtol=1e-3, atol=1e-7) for name in grads[0])


def test_what_does_not_fit_is_refused():
    net = VideoUNet(SMALL).eval()
    x, context = inputs(SMALL, 4)
    with pytest.raises(ValueError, match="2 conditioning chunks needs as many references, got 1"):
        net(x, T, context, chunks=2, reference=[None])
    for change, words in (
        ({"self_attention": "sparse_causal"}, "works on single frames"),
        ({"prediction": "eps"}, "set it to v"),
        ({"streams": "separate", "modalities": 2}, "One network reads a reference"),
    ):
        with pytest.raises(ValueError, match=words):
            with_switches(SMALL, **change)


def test_the_configuration_survives_a_file_and_counts_its_layers():
    assert from_json(to_json(MIMO)) == MIMO
    assert [c.layer_codes for c in (SD1, MIMO, MIMO_PAPER, replace(SD1, in_channels=5))] == [0, 1, 2, 0]


def test_a_schedule_that_ends_in_noise_alone_is_diffusers():
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    theirs = DDIMScheduler(**betas, rescale_betas_zero_snr=True).alphas_cumprod
    ours = NoiseSchedule(zero_snr=True)
    assert ours.signal[-1] == 0 and ours.noise[-1] == 1
    assert torch.allclose(ours.signal**2, theirs, atol=1e-5)


def test_the_pose_guider_downscales_by_halves_and_reads_a_few_pictures_at_a_time():
    guider = PoseGuider(SMALL.block_out_channels[0], (4, 8, 8, 16)).eval()
    torch.nn.init.normal_(guider.conv_out.weight)
    pictures = torch.rand(19, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = body_features(guider, pictures, torch.empty(0))
        assert features.shape == (19, 64, 4, 6) and guider.downscale == 8
        assert torch.allclose(features[17:18], guider(pictures[17:18]), atol=1e-6)


def test_a_portrait_shows_the_whole_character_on_white():
    images, mask = torch.zeros(1, 40, 20, 3), torch.zeros(1, 40, 20)
    mask[:, 10:30, 5:15] = 1
    made = portrait(images, mask, 80, 80)
    assert made.shape == (1, 80, 80, 3)
    assert made[0, :, :18].min() == 1 and made[0, :, 62:].min() == 1, "white beside the narrow picture"
    assert made[0, 24:56, 34:46].max() < 0.05 and made[0, 2:14].min() > 0.95
    assert torch.equal(portrait(images, None, 20, 40), images)
