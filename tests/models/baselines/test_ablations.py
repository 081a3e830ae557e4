"""The switches of IDOL's ablations and baselines: what each starts as, what it may reach, and how large it is."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from pack.models.baselines.separate import (
    SeparateControlNets,
    SeparateUNets,
    build_controlnet,
    build_network,
    inflate_network,
)
from pack.models.files import open_model, save_model
from pack.models.unet.attention import shared_maps
from pack.models.unet.config import IDOL, SD1, TINY
from pack.models.unet.config_file import NotServed, from_json, to_json
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.inflation import inflate_unet
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import switches_of, with_switches
from safetensors import safe_open
from safetensors.torch import save_file
from tiny.ablations import ABLATIONS, POSE_CONTROLNETS

SMALL = {**TINY, "foreground_width": 0, "background": "none"}
PAIR = with_switches(IDOL, **SMALL)
SEPARATE = with_switches(ABLATIONS["separate"], **SMALL)


def fill(net, seed=0, std=0.05):
    """Every tensor random and none zero, so that no block is trivial."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * std + (1.0 if "norm" in name and "weight" in name else 0.0))
    return net.eval()


def inputs(batch, seed=1, size=8):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, size, size, generator=g)
    return x, torch.tensor([417.0]), torch.randn(batch, 7, 768, generator=g)


def reached(net, index, batch=12, **options):
    """Which of the (k m f) answers change when one latent changes: two chunks of three video and three depth frames."""
    x, t, context = inputs(batch)
    other = x.clone()
    other[index] += 1
    with torch.no_grad():
        change = net(x, t, context, chunks=2, **options) - net(other, t, context, chunks=2, **options)
    return set((change.abs().amax((1, 2, 3)) > 0).nonzero()[:, 0].tolist())


# --- sizes -----------------------------------------------------------------------------------------------------------


def count(config, pose=None):
    """Parameters at full size, U-Net and pose ControlNet together, one of each for each stream."""
    pose = replace(config, **POSE_CONTROLNETS[pose]) if pose else config
    with torch.device("meta"):
        return sum(p.numel() for net in (build_network(config), build_controlnet(pose)) for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "pose", "parameters", "printed"),
    [
        ("video_only", None, 1_394_286_356, "1.394"),
        ("shared", None, 1_394_288_916, "1.394"),
        ("separate", None, 2_788_572_712, "2.789"),
        ("cross_modal", None, 1_411_353_236, "1.411"),
        ("maps_avg", None, 1_411_353_236, "1.411"),
        ("cross_modal", "controlnet2d", 1_354_987_156, "1.355"),
        ("animatediff", "controlnet2d", 1_691_874_516, "1.692"),
        ("animatediff", "controlnet3d", 1_748_240_596, "1.748"),
    ],
)
def test_parameters_are_those_of_the_papers_table(name, pose, parameters, printed):
    """In billions, projection of the foreground and convolution of the background included in each stream."""
    assert count(ABLATIONS[name], pose) == parameters
    assert f"{parameters / 1e9:.3f}" == printed


def test_separate_streams_are_twice_the_bare_networks():
    bare = with_switches(ABLATIONS["separate"], background="none", foreground_width=0)
    assert count(bare) == 2 * 1_393_488_084 == 2_786_976_168


def test_every_named_configuration_is_one_and_survives_json():
    for config in ABLATIONS.values():
        assert from_json(to_json(config)) == config
    assert from_json('{"modalities": 2}') == with_switches(SD1, modalities=2), "an old file means today's way"


def test_files_of_before_that_name_the_coupling_open():
    """It joined separate streams; every file that was ever made has it switched off."""
    old = json.dumps(switches_of(SD1))[:-1] + ', "coupling": "none", "coupling_window": 4}'
    assert from_json(old) == SD1


def test_a_pair_that_was_coupled_in_windows_is_to_be_trained_again():
    old = json.dumps(switches_of(SD1))[:-1] + ', "coupling": "windowed", "coupling_window": 4}'
    with pytest.raises(NotServed, match='coupled in windows, .* Train it again .* with "streams": "separate"'):
        from_json(old)


@pytest.mark.parametrize("where", ["up", "attention"])
def test_a_pair_with_attention_in_some_blocks_only_is_to_be_trained_again(where, tmp_path):
    said = f'some blocks only .{where}., which this version does not have. Train it again with "cross_modal": "all"'
    with pytest.raises(NotServed, match=said):
        from_json(json.dumps(switches_of(IDOL) | {"cross_modal": where}))
    file = save_model(tmp_path / "some.safetensors", build_network(PAIR).state_dict(), PAIR)
    retell(file, lambda text: text.replace('"where": "all"', f'"where": "{where}"'))
    with pytest.raises(
        ValueError, match=f"some.safetensors is a Duet file that cannot be opened: its attention.*{said}"
    ):
        open_model(file)


def retell(path, change):
    """The same file with another configuration, as an earlier version may have written it."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        text = change(file.metadata()["duet"])
    save_file(tensors, path, {"duet": text})


# --- separate streams ------------------------------------------------------------------------------------------------


def test_separate_streams_start_as_the_2d_network():
    original = fill(inflated_base())
    nets = inflate_network(original.state_dict(), SEPARATE).eval()
    x, t, context = inputs(12)
    video, depth = [0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]
    with torch.no_grad():
        answer = nets(x, t, context, chunks=2)
        for rows in (video, depth):
            assert torch.equal(answer[rows], original(x[rows], t, context[rows])), "frame by frame"


def inflated_base():
    return VideoUNet(with_switches(SD1, **SMALL))


def test_each_half_is_the_answer_of_its_own_network():
    nets = fill(SeparateUNets(SEPARATE), 3)
    x, t, context = inputs(12)
    with torch.no_grad():
        whole = nets(x, t.expand(12), context, chunks=2)
        for name, rows in {"video": [0, 1, 2, 6, 7, 8], "depth": [3, 4, 5, 9, 10, 11]}.items():
            alone = nets.streams[name](x[rows], t, context[rows], chunks=2)
            labels = torch.full((6,), int(name == "depth"))
            by_label = nets(x[rows], t, context[rows], chunks=2, modalities=1, labels=labels)
            assert torch.equal(whole[rows], alone) and torch.equal(by_label, alone)
    with pytest.raises(ValueError, match="labels of a batch of one name both"):
        nets(x[:2], t, context[:2], modalities=1, labels=torch.tensor([0, 1]))


def test_nothing_is_shared_and_nothing_crosses():
    nets = fill(SeparateUNets(SEPARATE), 3)
    assert reached(nets, 1) == {0, 1, 2}
    assert reached(nets, 6 + 4) == {9, 10, 11}
    memory = [{p.data_ptr() for p in net.parameters()} for net in nets.streams.values()]
    assert not memory[0] & memory[1]
    x, t, context = inputs(6)
    nets(x, t, context)[:3].square().mean().backward()
    assert not any(p.grad is not None and p.grad.any() for p in nets.streams["depth"].parameters())


def test_backgrounds_and_residuals_go_to_their_half():
    nets = fill(SeparateUNets(replace(SEPARATE, background="conv")), 3)
    pose = fill(SeparateControlNets(SEPARATE), 4)
    x, t, context = inputs(12)
    pictures, background = torch.rand(12, 3, 64, 64), torch.randn(12, 4, 8, 8)
    with torch.no_grad():
        down, mid = pose(x, t, context, pictures, chunks=2)
        levels = [torch.randn(12, 64, 8, 8), torch.randn(12, 128, 4, 4)]
        control = {"down": [*down[:-1], 0], "mid": mid, "levels": levels}
        whole = nets(x, t, context, chunks=2, background=background, control=control)
        rows = [3, 4, 5, 9, 10, 11]
        part = {
            name: [v[rows] if isinstance(v, torch.Tensor) else v for v in control[name]] for name in ("down", "levels")
        }
        part["mid"] = mid[rows]
        alone = nets.streams["depth"](x[rows], t, context[rows], 2, None, None, background[rows], part)
        own = pose.streams["depth"](x[rows], t, context[rows], pictures[rows], chunks=2)
        told = pose(x[rows], t, context[rows], pictures[rows], 2, 1, torch.ones(6, dtype=torch.long))
    assert torch.equal(whole[rows], alone)
    assert torch.equal(own[1], mid[rows]) and torch.equal(told[1], own[1])
    assert all(torch.equal(a[rows], b) for a, b in zip(down, own[0], strict=True))


def test_a_copy_of_two_networks_is_their_own():
    nets = fill(SeparateUNets(SEPARATE), 6)
    twin = copy.deepcopy(nets)
    x, t, context = inputs(8)
    with torch.no_grad():
        before = nets(x, t, context)
        fill(twin, 9)(x[:4], t, context[:4])
        assert torch.equal(nets(x, t, context), before)


@pytest.mark.parametrize("config", [SEPARATE, with_switches(PAIR, shared_maps="avg")])
def test_a_file_opens_again(tmp_path, config):
    state = fill(build_network(config), 2).state_dict()
    again, weights, _ = open_model(save_model(tmp_path / "nets.safetensors", state, config))
    assert again == config and set(weights) == set(state)
    assert all(torch.equal(weights[name], state[name]) for name in state)
    with pytest.raises(ValueError, match="does not fit"):
        open_model(save_model(tmp_path / "lost.safetensors", {k: state[k] for k in list(state)[1:]}, config))


@pytest.mark.parametrize(
    "config", [SEPARATE, with_switches(PAIR, shared_maps="avg"), with_switches(PAIR, shared_maps="video")]
)
def test_gradients_reach_every_parameter(config):
    net = fill(build_network(config), 8)
    x, t, context = inputs(4)
    net(x, t, context).square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


# --- shared maps -----------------------------------------------------------------------------------------------------


def maps_of(net, monkeypatch, batch=12, **options):
    """The maps of every cross-attention: what it answers to values that are the tokens' own numbers, one-hot."""
    found = []
    true = shared_maps.SharedMaps.over

    def over(self, attend, q, k, v):
        tokens = k.shape[1]
        one_hot = torch.eye(tokens, v.shape[-1] // 4).repeat(1, 4).expand(v.shape[0], -1, -1)
        own = attend(q, k, one_hot), true(self, attend, q, k, one_hot)
        found.append([x.unflatten(-1, (4, -1))[..., :tokens] for x in own])
        return true(self, attend, q, k, v)

    monkeypatch.setattr(shared_maps.SharedMaps, "over", over)
    x, t, context = inputs(batch)
    with torch.no_grad():
        net(x, t, context, chunks=2, **options)
    return found


@pytest.mark.parametrize("mode", ["avg", "video"])
def test_video_and_depth_look_with_the_same_maps(mode, monkeypatch):
    net = fill(VideoUNet(with_switches(PAIR, shared_maps=mode)), 4, std=0.3)
    found = maps_of(net, monkeypatch)
    assert len(found) == 4, "one in each transformer"
    for own, used in found:
        (own_v, own_d), (v, d) = (x.unflatten(0, (2, 2, 3)).unbind(1) for x in (own, used))
        assert torch.allclose(v.sum(-1), torch.ones(()), atol=1e-5), "maps"
        assert torch.allclose(v, d, atol=1e-6)
        assert torch.allclose(v, own_v if mode == "video" else (own_v + own_d) / 2, atol=1e-6)
        assert (own_v - own_d).abs().max() > 0.01, "and they were different before"


def test_one_modality_alone_keeps_its_maps(monkeypatch):
    net = fill(VideoUNet(with_switches(PAIR, shared_maps="avg")), 4)
    found = maps_of(net, monkeypatch, batch=6, modalities=1, labels=torch.ones(6, dtype=torch.long))
    assert all(torch.equal(own, used) for own, used in found)


def test_maps_that_are_not_shared_leave_the_network_alone():
    plain, shared = VideoUNet(PAIR), VideoUNet(with_switches(PAIR, shared_maps="video"))
    kinds = lambda net: {type(block.attn2.processor).__name__ for block in net.transformer_blocks()}
    assert kinds(plain) == {"AttnProcessor2_0"} and kinds(shared) == {"SharedMaps"}
    assert set(plain.state_dict()) == set(shared.state_dict())
    shared.load_state_dict(fill(plain).state_dict())
    # In double precision: the order of sums, which threads change, is not what is asked.
    plain, shared, (x, t, context) = plain.double(), shared.double().eval(), (part.double() for part in inputs(6))
    twins = torch.cat((x[:3], x[:3])), t, torch.cat((context[:3], context[:3]))
    same = {"labels": torch.zeros(6, dtype=torch.long)}
    with torch.no_grad():
        assert not torch.allclose(plain(x, t, context), shared(x, t, context), atol=1e-3)
        assert torch.allclose(plain(*twins, **same), shared(*twins, **same), atol=1e-9), "equal halves have equal maps"
    assert type(
        PoseControlNet(shared.video).down_blocks[0].attentions[0].transformer_blocks[0].attn2.processor
    ) is type(plain.transformer_blocks()[0].attn2.processor)


# --- what excludes what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "change", "words"), [
    (SEPARATE, {"modalities": 1}, "modalities is 1: set it to 2, or streams to shared"),
    (SEPARATE, {"label": True}, "set label and label_in_controlnet to false"),
    (SEPARATE, {"label_in_controlnet": True}, "set label and label_in_controlnet to false"),
    (SEPARATE, {"cross_modal": "all"}, "set cross_modal to none, not all"),
    (SEPARATE, {"shared_maps": "avg"}, "set shared_maps to none, not avg"),
    (SEPARATE, {"same_place": True}, "set same_place to false"),
    (SD1, {"same_place": True}, "modalities is 1: set it to 2, or same_place to false"),
    (SD1, {"given": "clean"}, "modalities is 1: set it to 2, or given to noised"),
    (SD1, {"label": True}, "modalities is 1: set it to 2, or label and label_in_controlnet to false"),
    (SD1, {"label_in_controlnet": True}, "modalities is 1: set it to 2, or label and"),
    (SD1, {"cross_modal": "deep"}, "modalities is 1: set it to 2, or cross_modal to none"),
    (SD1, {"words": ("red",), "foreground_width": 32}, "Tokens of 1 words are 3 wide, but foreground_width is 32"),
    (SD1, {"cubism": 3}, "has no switch cubism: it has in_channels"),
    (PAIR, {"given": "kept"}, "given is one of noised, clean"),
    (SD1, {"shared_maps": "video"}, "modalities is 1: set it to 2, or shared_maps to none"),
    (PAIR, {"streams": "siamese"}, "streams is one of shared, separate, not 'siamese'"),
    (PAIR, {"shared_maps": "depth"}, "shared_maps is one of none, avg, video"),
])  # fmt: skip
def test_switches_that_exclude_each_other_are_refused(config, change, words):
    with pytest.raises(ValueError, match=words):
        with_switches(config, **change)


def test_a_2d_network_that_does_not_fit_is_refused_for_both():
    state = inflated_base().state_dict()
    state.pop("conv_out.weight")
    with pytest.raises(ValueError, match="1 are missing"):
        inflate_network(state, SEPARATE)
    assert isinstance(
        inflate_network(inflated_base().state_dict(), PAIR), type(inflate_unet(inflated_base().state_dict(), PAIR))
    )
