"""Sparse-causal attention, what of a network is tuned on one clip, and the depth channel."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import StableDiffusionDepth2ImgPipeline, UNet2DConditionModel
from einops import rearrange
from pack.models.files.ldm import in_diffusers_words
from pack.models.files.tuned import is_tuned, is_tuning, named_as_ldm, named_as_ours, own_name, tav_name
from pack.models.oneshot.depth_channel import depth_channel, same_view
from pack.models.pair.layout import ClipLayout
from pack.models.unet.attention.sparse_causal import SparseCausal
from pack.models.unet.config import ONE_SHOT, ONE_SHOT_SD1, SD2_DEPTH, TINY
from pack.models.unet.inflation import inflate_unet
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches

TESTS = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("parity", TESTS / "parity.py")
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)

SMALL = with_switches(ONE_SHOT, **TINY, cross_attention_dim=48)
MANIFEST = json.loads((TESTS / "golden" / "tuneavideo_manifest.json").read_text(encoding="utf-8"))["keys"]


def inputs(config, batch, salt="", size=8):
    x = parity.drawn("x", (batch, config.in_channels, size, size), salt)
    context = parity.drawn("context", (1, 5, config.cross_attention_dim), salt)
    return x, torch.tensor([417.0]), context.expand(batch, -1, -1)


def filled(config, salt=""):
    net = VideoUNet(config).eval()
    net.load_state_dict(parity.fill(net.state_dict(), salt))
    return net


@torch.no_grad()
def test_without_what_tune_a_video_adds_the_recorded_network_is_the_2d_one():
    """Bias zeroed as well as the weight, norms of each frame, plain attention: not one bit differs."""
    for name, config, parts in parity.recorded_cases(parity.GOLDEN / "tuneavideo.safetensors"):
        net = parity.recorded_network(config, "")
        state = net.state_dict()
        for key, value in state.items():
            if ".tem_attn.to_out.0." in key:
                value.zero_()
        plain = VideoUNet(replace(config, self_attention="frame", group_norm="frame")).eval()
        plain.load_state_dict(state)
        flat = UNet2DConditionModel(**config.base()).eval()
        flat.load_state_dict({key: value for key, value in state.items() if ".tem_" not in key})
        given, clips = parity.recorded_inputs(parts), parts["x"].shape[0]
        assert (plain(*given, chunks=clips) - flat(*given).sample).abs().max() == 0, name
        assert parity.differences(net(*given, chunks=clips), flat(*given).sample)[1] > 0.01, "each part counts"


@torch.no_grad()
def test_attention_sees_the_first_and_the_previous_frame_and_no_other():
    """Against attention over the concatenated tokens, written out; two clips of four frames."""
    layout, weights = ClipLayout(), [parity.drawn(name, (12, 12)) for name in "qkv"]
    layout.cut(8, 2, 1)
    x = parity.drawn("tokens", (8, 6, 12))
    rule, attend = SparseCausal(layout), lambda q, k, v: (q @ k.mT / 12**0.5).softmax(-1) @ v
    answer = rule.over(attend, *(x @ w for w in weights))
    for clip in range(2):
        frames = x[4 * clip : 4 * clip + 4]
        for i in range(4):
            seen = torch.cat((frames[0], frames[max(i - 1, 0)]))
            expected = attend(*(part @ w for part, w in zip((frames[i], seen, seen), weights, strict=True)))
            assert torch.allclose(answer[4 * clip + i], expected, atol=1e-5)


@torch.no_grad()
def test_tiles_of_a_frame_stay_beside_each_other():
    """HyperTile cuts a frame into a batch of tiles before attention: each looks back at the same tile."""
    layout = ClipLayout()
    layout.cut(3, 1, 1)
    x = parity.drawn("tokens", (3, 8, 4))
    attend = lambda q, k, v: (q @ k.mT).softmax(-1) @ v
    tiles = SparseCausal(layout).over(attend, *[rearrange(x, "f (p n) c -> (f p) n c", p=2)] * 3)
    halves = [SparseCausal(layout).over(attend, *[half] * 3) for half in x.chunk(2, 1)]
    assert torch.allclose(rearrange(tiles, "(f p) n c -> f (p n) c", p=2), torch.cat(halves, 1), atol=1e-6)


def reached(config, index, batch=8, chunks=2):
    """Which answers change when one latent changes."""
    net, (x, t, context) = filled(config), inputs(config, batch)
    other = x.clone()
    other[index] += 1
    with torch.no_grad():
        change = (net(x, t, context, chunks=chunks) - net(other, t, context, chunks=chunks)).abs().amax((1, 2, 3))
    return set((change > 0).nonzero()[:, 0].tolist())


def test_a_change_reaches_later_frames_of_its_own_clip_only():
    config = with_switches(SMALL, temporal="none")
    assert reached(config, 0) == {0, 1, 2, 3}, "the first frame is seen by all"
    assert reached(config, 2) == {2, 3}
    assert reached(config, 6) == {6, 7}
    assert reached(SMALL, 2) == {0, 1, 2, 3}, "attention over time sees both ways"


@torch.no_grad()
def test_a_new_network_on_one_frame_is_the_2d_one_and_on_a_clip_only_sparse_causal_attention_differs():
    flat = UNet2DConditionModel(**SMALL.base()).eval()
    state = parity.fill(flat.state_dict())
    flat.load_state_dict(state)
    net, plain = inflate_unet(state, SMALL).eval(), inflate_unet(state, replace(SMALL, self_attention="frame")).eval()
    x, t, context = inputs(SMALL, 4)
    assert torch.equal(net(x[:1], t, context[:1]), flat(x[:1], t, context[:1]).sample)
    assert torch.equal(net(x, t, context, chunks=4), flat(x, t, context).sample), "four stills under guidance"
    assert torch.equal(plain(x, t, context), flat(x, t, context).sample)
    assert parity.differences(net(x, t, context), flat(x, t, context).sample)[1] > 1e-3
    net.layout.still = True
    assert torch.equal(net(x, t, context), flat(x, t, context).sample), "training on single pictures"


def test_a_batch_that_cannot_be_cut_is_refused():
    net = VideoUNet(SMALL)
    with pytest.raises(ValueError, match="got 5 latents in 2 .* divide by 2"):
        net(*inputs(SMALL, 5), chunks=2)


@pytest.mark.parametrize("config, column", [(ONE_SHOT_SD1, 2), (ONE_SHOT, 3)], ids=["sd1", "sd2 with depth"])
def test_the_published_names_and_shapes_at_full_size(config, column):
    """798 weights with none missing or left over, 112 of them tuned, and their names in single files."""
    with torch.device("meta"):
        net = VideoUNet(config)
        file = {name: torch.empty(entry[column]) for name, entry in MANIFEST.items()}
    missing, unexpected = net.load_state_dict({own_name(name): value for name, value in file.items()}, assign=True)
    assert (len(file), missing, unexpected) == (798, [], [])
    tuned = {name: value for name, value in net.state_dict().items() if is_tuned(name)}
    assert {tav_name(name) for name in tuned} == {name for name, entry in MANIFEST.items() if entry[1]}
    assert len(tuned) == 112 and sum(value.numel() for value in tuned.values()) == 74_354_880
    norms = {name for name in net.state_dict() if is_tuned(name, norms=True)} - set(tuned)
    assert len(norms) == 32 and all(".tem_norm." in name for name in norms)
    assert named_as_ldm(tuned) == {MANIFEST[tav_name(name)][0]: name for name in tuned}
    for spelled in ({name: MANIFEST[tav_name(name)][0] for name in tuned}, {name: tav_name(name) for name in tuned}):
        assert named_as_ours(spelled.values(), config) == spelled and is_tuning(spelled.values())
    assert not is_tuning(MANIFEST)


def test_both_forms_of_stable_diffusion_2_with_depth_load_at_full_size():
    manifest = json.loads((TESTS / "golden" / "sd2depth_manifest.json").read_text(encoding="utf-8"))["keys"]
    with torch.device("meta"):
        net = VideoUNet(SD2_DEPTH)
        diffusers = {name: torch.empty(shape) for name, (_, shape) in manifest.items()}
        ldm = {name: torch.empty(shape) for name, shape in manifest.values()}
    for form in (diffusers, {new: ldm[old] for new, old in in_diffusers_words(ldm).items()}):
        missing, unexpected = net.load_state_dict(form, assign=True)
        assert (len(form), missing, unexpected) == (686, [], [])


def test_the_depth_channel_of_each_frame_is_that_of_diffusers_pipeline():
    depth = parity.drawn("depth", (3, 48, 80)) * torch.tensor([1.0, 4.0, 0.1])[:, None, None]
    pipeline = SimpleNamespace(vae_scale_factor=8)
    expected = StableDiffusionDepth2ImgPipeline.prepare_depth_map(
        pipeline, torch.zeros(3, 3, 96, 128), depth, 3, False, torch.float32, torch.device("cpu")
    )
    assert expected.shape == (3, 1, 12, 16)
    assert (depth_channel(depth[:, None], (12, 16), "per frame") - expected).abs().max() < 1e-6


def test_one_range_for_a_clip_keeps_still_pixels_when_something_comes_near():
    depth = torch.linspace(0, 0.5, 64).reshape(1, 1, 8, 8).repeat(3, 1, 1, 1)
    depth[1, :, :2, :2] = 1.0
    clip, frame, given = (depth_channel(depth, (8, 8), mode) for mode in ("per clip", "per frame", "unchanged"))
    assert torch.equal(clip[0], clip[2]) and torch.equal(clip[0, :, 4:], clip[1, :, 4:]), "still pixels are still"
    assert not torch.allclose(frame[0, :, 4:], frame[1, :, 4:], atol=0.1), "each frame by itself would pump"
    assert clip.amin() == -1 and clip.amax() == 1 and frame[0].amax() == 1
    assert torch.allclose(given, depth * 2 - 1, atol=1e-6)
    assert torch.equal(depth_channel(torch.full((2, 1, 8, 8), 0.7), (4, 4), "per clip"), torch.zeros(2, 1, 4, 4))


@pytest.mark.parametrize("pixels, latents, same", [
    ((512, 512), (64, 64), True), ((384, 384), (64, 64), True), ((1080, 1920), (64, 113), True),
    ((480, 854), (60, 106), True), ((512, 512), (64, 96), False), ((512, 768), (64, 64), False),
])  # fmt: skip
def test_a_depth_of_another_shape_than_the_latents(pixels, latents, same):
    assert same_view(pixels, latents) == same
