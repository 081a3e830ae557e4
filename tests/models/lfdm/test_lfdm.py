"""The flow model against its authors' recorded answers, its files, and the same build_network in its usual formulation."""

import importlib.util
import json
import pickle
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.lfdm import checkpoint
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.checkpoint import (
    CONSTANT,
    PARTS,
    build_network,
    convert,
    is_schedule,
    load,
    open_autoencoder,
    open_flow_unet,
    our_name,
    save,
)
from pack.models.lfdm.config import (
    MHAD_AUTOENCODER,
    MUG_AUTOENCODER,
    MUG_UNET,
    NATOPS_UNET,
    TINY_AUTOENCODER,
    TINY_UNET,
    FlowUNetConfig,
)
from pack.models.lfdm.diffusion import FlowSchedule, noise_loss, threshold
from pack.models.lfdm.inference import AutoencoderInference, frames_at_once
from pack.models.lfdm.reference import as_reference
from pack.models.lfdm.regions import principal_axes
from pack.models.lfdm.shape import autoencoder_shape, unet_shape
from pack.models.lfdm.state import from_network, identity_grid, motion_of, state_of, to_network
from pack.models.lfdm.unet import FlowUNet
from pack.models.lfdm.warp import Motion, coordinate_grid, fetch
from safetensors import safe_open
from safetensors.torch import save_file

TESTS = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("parity_lfdm", TESTS / "parity_lfdm.py")
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)

MANIFEST = json.loads((TESTS / "golden" / "lfdm_manifest.json").read_text(encoding="utf-8"))
NATOPS = replace(TINY_UNET, upsample="conv", null="learned")
UNET_SMALLER = replace(TINY_UNET, multiples=(1, 2))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def autoencoder():
    return AutoencoderInference(parity.autoencoder(TINY_AUTOENCODER, ""))


@pytest.fixture(scope="module")
def unet():
    return parity.unet(TINY_UNET, "")


@pytest.mark.parametrize("part", ["codec", "unet"])
def test_every_recorded_answer_is_ours(part):
    """The larger groups and the released size are in a file of their own: tests/parity.py lfdm --golden FILE."""
    golden = TESTS / "golden" / f"lfdm_{part}.safetensors"
    compared = set()
    for name, ours, theirs in parity.lfdm("", golden):
        assert parity.close(ours, theirs), f"{name} differs by {(ours - theirs).abs().max():.3g}"
        compared.add(name)
    with safe_open(golden, framework="pt") as file:
        assert {name for name in file.keys() if ".in." not in name} == compared  # noqa: SIM118


def test_another_salt_is_another_network():
    names = [name for name, *_ in parity.lfdm("", TESTS / "golden" / "lfdm_codec.safetensors")]
    answers = {
        name: parity.close(*both) for name, *both in parity.lfdm("x", TESTS / "golden" / "lfdm_codec.safetensors")
    }
    assert set(answers) == set(names) and not answers["tiny.lfae.pad3.prediction"]


def manifest_of(variant: str) -> dict[str, tuple]:
    names = dict(MANIFEST["diffusion"])
    if variant == "natops":
        names = {name: shape for name, shape in names.items() if name not in MANIFEST["only_mug_mhad"]}
        names |= MANIFEST["diffusion_natops"]
    return {name: tuple(shape) for name, shape in names.items()}


@pytest.mark.parametrize("variant, config, count", [("mug", MUG_UNET, "unet"), ("natops", NATOPS_UNET, "natops unet")])
def test_released_unets_have_exactly_our_weights(variant, config, count):
    released = {name: shape for name, shape in manifest_of(variant).items() if not is_schedule(name, "unet")}
    shapes = {our_name(name): shape for name, shape in released.items() if not CONSTANT.search(name)}
    assert unet_shape(shapes) == config
    with torch.device("meta"):
        net = build_network(config)
        missing, unexpected = net.load_state_dict({name: torch.empty(shape) for name, shape in shapes.items()}, False)
    assert not missing and not unexpected
    assert sum(value.numel() for value in net.parameters()) == MANIFEST["parameters"][count]
    assert {parity.released_name(name, shape) for name, shape in shapes.items()} == {
        name for name in released if not CONSTANT.search(name)
    }


def test_released_autoencoders_have_exactly_our_weights():
    shapes = {f"{part}.{name}": tuple(shape) for part in PARTS for name, shape in MANIFEST[part].items()}
    with torch.device("meta"):
        net = build_network(autoencoder_shape(shapes))
        missing, unexpected = net.load_state_dict({name: torch.empty(shape) for name, shape in shapes.items()}, False)
        named = build_network(MUG_AUTOENCODER).state_dict()
    assert not missing and not unexpected
    assert {name: tuple(value.shape) for name, value in named.items()} == shapes
    for part in PARTS:
        assert sum(value.numel() for value in getattr(net, part).parameters()) == MANIFEST["parameters"][part]


def released_autoencoder(path, config=TINY_AUTOENCODER):
    state = parity.autoencoder(config, "").state_dict()
    parts = {p: {n.removeprefix(f"{p}."): v for n, v in state.items() if n.startswith(f"{p}.")} for p in PARTS}
    torch.save({"example": 100, "epoch": 1, **parts, "optimizer": {"state": {0: {"exp_avg": drawn(3)}}}}, path)
    return path


def released_unet(path, config=TINY_UNET, change=lambda state: None):
    """As the authors write it: tables of the schedule and constants of the rotations beside the weights."""
    state = {
        parity.released_name(name, value.shape): value for name, value in parity.unet(config, "").state_dict().items()
    }
    state |= {name: table for name, table in FlowSchedule().tables.items() if name.startswith(("betas", "alphas"))}
    state["denoise_fn.init_temporal_attn.fn.fn.fn.rotary_emb.freqs"] = drawn(16)
    change(state)
    adam = {"state": {0: {"step": 5, "exp_avg": drawn(4)}}, "param_groups": [{"lr": 2e-4, "betas": (0.9, 0.99)}]}
    torch.save({"example": 5, "diffusion": state, "optimizer_diff": adam}, path)
    return path


def test_a_released_autoencoder_opens_and_converts(tmp_path, autoencoder):
    source = released_autoencoder(tmp_path / "LFAE_MUG.pth")
    config, state, report = open_autoencoder(source)
    assert config == TINY_AUTOENCODER and report.missing == report.unexpected == () and "MUG" in report.text
    assert convert(source, tmp_path / "autoencoder.safetensors", 0).found == report.found
    again, saved, _ = open_autoencoder(tmp_path / "autoencoder.safetensors")
    assert again == replace(TINY_AUTOENCODER, heat_map_padding=0) and all(
        torch.equal(saved[n], v) for n, v in state.items()
    )
    picture = drawn(1, 3, 32, 48).sigmoid()
    found = load(config, state).generator.encode(picture).features
    assert torch.allclose(found, autoencoder.encode(picture).features, atol=1e-5)


@pytest.mark.parametrize("config, words", [(TINY_UNET, "MUG and MHAD"), (NATOPS, "NATOPS")])
def test_a_released_unet_opens_as_the_variant_that_it_is(tmp_path, config, words):
    source = released_unet(tmp_path / "DM.pth", config)
    found, state, report = open_flow_unet(source)
    assert found == config and words in report.text and "0 missing" in report.text
    convert(source, tmp_path / "flow.safetensors")
    again, saved, _ = open_flow_unet(tmp_path / "flow.safetensors")
    assert again == config and set(saved) == set(state)
    state_in = drawn(1, 3, 2, 8, 8), torch.tensor([9]), drawn(1, 12, 8, 8)
    assert torch.allclose(load(config, saved)(*state_in), parity.unet(config, "")(*state_in), atol=1e-4)


@pytest.mark.parametrize("change, words", [
    (lambda s: s.pop("denoise_fn.mid_block1.mlp.1.bias"), "1 are missing"),
    (lambda s: s.update({"denoise_fn.extra.weight": drawn(3)}), "1 are unknown"),
    (lambda s: s.update({"denoise_fn.final_conv.1.bias": drawn(7)}), "another shape"),
    (lambda s: s.update(betas=torch.linspace(1e-4, 0.02, 1000)), "another noise schedule"),
    (lambda s: s["denoise_fn.final_conv.1.bias"].fill_(float("nan")), "NaN"),
])  # fmt: skip
def test_a_unet_that_does_not_fit_is_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        open_flow_unet(released_unet(tmp_path / "DM.pth", change=change))


def test_other_files_are_refused_in_a_sentence(tmp_path):
    autoencoder_file = released_autoencoder(tmp_path / "LFAE.pth")
    with pytest.raises(ValueError, match="holds an LFDM flow autoencoder, but an LFDM flow model was expected"):
        open_flow_unet(autoencoder_file)
    torch.save({"weight": drawn(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="unknown kind"):
        open_autoencoder(tmp_path / "other.pth")
    (tmp_path / "code.pth").write_bytes(pickle.dumps(Path("x")))
    with pytest.raises(ValueError, match="for safety"):
        open_autoencoder(tmp_path / "code.pth")
    with pytest.raises(ValueError, match="there is none"):
        open_autoencoder(tmp_path / "absent.pth")
    with pytest.raises(ValueError, match="is the source itself"):
        convert(autoencoder_file, autoencoder_file)
    with pytest.raises(ValueError, match="ends in .safetensors"):
        save(tmp_path / "a.pth", TINY_UNET, {})


def test_a_saved_file_that_changed_or_is_newer_is_refused(tmp_path, unet, monkeypatch):
    path = save(tmp_path / "flow.safetensors", TINY_UNET, unet.state_dict())
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        open_flow_unet(path)
    monkeypatch.setattr(FlowUNetConfig, "to_json", lambda self: json.dumps({"wings": 2}))
    with pytest.raises(ValueError, match="needs wings"):
        open_flow_unet(save(path, TINY_UNET, unet.state_dict()))


def test_the_usual_formulation_gives_the_same_answer_and_gradient():
    for config in (TINY_UNET, NATOPS):
        net = parity.unet(config, "")
        usual = as_reference(net)
        inputs = drawn(2, 3, 5, 16, 8), torch.tensor([3.0, 800.0]), drawn(2, 12, 16, 8, seed=1), drawn(2, 768, seed=2)
        answers, gradients = [], []
        for one in (net, usual):
            answers.append(one(*inputs))
            gradients.append(
                torch.autograd.grad(answers[-1].square().mean(), list(one.parameters()), allow_unused=True)
            )
        assert all(a is b for a, b in zip(net.parameters(), usual.parameters(), strict=True))
        assert torch.allclose(*answers, atol=1e-4, rtol=1e-4)
        for mine, theirs in zip(*gradients, strict=True):
            assert mine is theirs is None or torch.allclose(mine, theirs, atol=1e-5, rtol=1e-3)


def test_pieces_give_the_answer_of_the_whole(unet, monkeypatch):
    inputs = drawn(2, 3, 6, 16, 16), torch.tensor([3, 800]), drawn(2, 12, 16, 16, seed=1), drawn(2, 768, seed=2)
    with torch.no_grad():
        monkeypatch.setattr("pack.models.lfdm.attention.CACHED", 2**40)
        whole = unet(*inputs)
        monkeypatch.setattr("pack.models.lfdm.attention.CACHED", 1)
        assert torch.allclose(unet(*inputs), whole, atol=1e-4)


def test_frames_of_any_number_are_mixed_and_clips_are_not(unet):
    state, features = drawn(2, 3, 7, 8, 8), drawn(2, 12, 8, 8)
    call = lambda state: unet(state, torch.tensor([500, 500]), features)
    with torch.no_grad():
        before, other = call(state), state.clone()
        other[0, :, 6] += 1
        moved = (call(other) - before).abs().amax((1, 3, 4))
    assert (moved[0] > 1e-3).all() and (moved[1] < 1e-5).all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_answers_nearly_the_same(unet, kind):
    inputs = drawn(1, 3, 5, 8, 8), torch.tensor([500.0]), drawn(1, 12, 8, 8), drawn(1, 768)
    with torch.no_grad():
        full = unet(*inputs)
        half = load(TINY_UNET, {n: v.to(kind) for n, v in unet.state_dict().items()})
        half = half(*(x.to(kind) if x.ndim > 1 else x for x in inputs)).float()
    assert (half - full).norm() / full.norm() < (0.01 if kind == torch.float16 else 0.06)


def test_a_state_that_cannot_be_halved_is_refused_with_the_nearest(unet):
    with pytest.raises(ValueError, match=r"multiples of 4, got \(1, 3, 5, 10, 8\).*8 x 8"):
        unet(drawn(1, 3, 5, 10, 8), torch.tensor([1]), drawn(1, 12, 10, 8))


def test_the_threshold_cuts_large_clips_and_leaves_small_ones():
    small, large = 0.2 * drawn(1, 3, 5, 8, 8), 5 * drawn(1, 3, 5, 8, 8, seed=1)
    held = threshold(torch.cat((small, large)))
    limit = large.abs().flatten().quantile(0.9)
    assert torch.equal(held[:1], small)
    assert torch.allclose(held[1:], large.clamp(-limit, limit) / limit, atol=1e-6) and held.abs().max() <= 1


def test_a_threshold_of_another_size_is_the_same_in_other_units():
    clip = 3 * drawn(1, 3, 5, 8, 8)
    assert torch.allclose(threshold(clip * 4, 4.0), threshold(clip) * 4, atol=1e-5)
    assert torch.equal(threshold(clip, 100.0), clip)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_the_right_answer_means_the_clean_state(prediction):
    schedule = FlowSchedule.of(replace(TINY_UNET, prediction=prediction))
    clean, noise, t = drawn(3, 3, 5, 8, 8).clamp(-1, 1), drawn(3, 3, 5, 8, 8, seed=1), torch.tensor([3, 400, 800])
    state = schedule.add_noise(clean, noise, t)
    assert torch.allclose(schedule.clean(state, schedule.target(clean, noise, t), t), clean, atol=1e-4)


@pytest.mark.parametrize("motion", ["offset", "root"])
def test_offsets_are_nothing_where_nothing_moves_and_states_come_back(motion):
    config = replace(TINY_UNET, prediction="v", motion=motion, motion_scale=4.0)
    picture, still = drawn(1, 3, 6, 8), identity_grid(torch.zeros(1, 3, 5, 6, 8))
    grid = still.expand(1, 2, 5, 6, 8)
    assert torch.allclose(fetch(picture, grid[:, :, 0].movedim(1, -1)), picture, atol=1e-5)
    assert to_network(torch.cat((grid, grid[:, :1]), 1), config)[:, :2].abs().max() == 0
    state = drawn(2, 3, 5, 6, 8)
    assert torch.allclose(from_network(to_network(state, config), config), state, atol=1e-6)
    assert from_network(to_network(state, TINY_UNET), TINY_UNET) is state


def test_the_root_of_a_small_motion_is_large_and_points_the_same_way():
    config = replace(TINY_UNET, motion="root", motion_scale=2.0)
    still = identity_grid(torch.zeros(1, 3, 1, 6, 8)).expand(1, 2, 3, 6, 8)
    far = torch.tensor([0.01, -0.25, 1.0]).view(1, 1, 3, 1, 1)
    scaled = to_network(torch.cat((still + far, torch.ones(1, 1, 3, 6, 8)), 1), config)
    assert torch.allclose(scaled[:, :2], torch.tensor([0.2, -1.0, 2.0]).view(1, 1, 3, 1, 1).expand_as(still), atol=1e-5)
    assert torch.equal(scaled[:, 2], torch.ones(1, 3, 6, 8)) and config.limit == 2


def test_a_residual_network_is_added_to_its_state():
    """The same weights: their output, added to the input state."""
    whole, rest = (FlowUNet(replace(TINY_UNET, residual=residual)).eval() for residual in (False, True))
    rest.load_state_dict(whole.state_dict())
    inputs = drawn(2, 3, 5, 8, 8), torch.tensor([3, 700]), drawn(2, 12, 8, 8, seed=1), drawn(2, 768, seed=2)
    assert torch.allclose(rest(*inputs), inputs[0] + whole(*inputs), atol=1e-5)


def test_an_error_in_the_noise_can_count_as_the_error_in_the_velocity_that_follows_from_it():
    """Two networks that mean the same clean state, one in noise and one in velocity, have the same loss."""
    noises, velocities = FlowSchedule(prediction="eps", limit=100.0), FlowSchedule(prediction="v", limit=100.0)
    clean, noise, t = drawn(3, 3, 5, 8, 8), drawn(3, 3, 5, 8, 8, seed=1), torch.tensor([30, 400, 900])
    meant = clean + 0.3 * drawn(3, 3, 5, 8, 8, seed=2)
    state, like = noises.add_noise(clean, noise, t), noises.at("signal", t, clean)
    noise_meant = (state - like * meant) / noises.at("noise", t, clean)
    unet = lambda output: lambda *given: output
    loss = lambda schedule, output, **how: noise_loss(unet(output), schedule, clean, noise, t, None, None, **how)[0]
    velocity = loss(velocities, velocities.target(meant, noise_meant, t))
    assert torch.isclose(loss(noises, noise_meant, as_velocity=True), velocity, rtol=1e-3)
    assert torch.equal(loss(velocities, velocities.target(meant, noise_meant, t), as_velocity=True), velocity)
    kept = noises.tables["signal"][t].square()
    error = (noise_meant - noise).square().mean((1, 2, 3, 4))
    assert torch.isclose(loss(noises, noise_meant), error.mean()), "as the paper counts it"
    assert torch.isclose(velocity, (error / kept).mean(), rtol=1e-3)
    end = torch.full((3,), 999)
    wrong = noise_loss(unet(noise + 0.1), noises, clean, noise, end, None, None, as_velocity=True)[0]
    assert torch.isclose(wrong, torch.tensor(0.01 / 0.005), rtol=1e-3), "nor more than 200 times at the last step"


@pytest.mark.parametrize("changes, words", [
    ({"prediction": "x0"}, "prediction is one of eps, v"), ({"motion": "rest"}, "motion is one of grid, offset, root"),
    ({"motion_scale": 2.0}, "set motion to offset"), ({"motion": "offset", "motion_scale": 0.0}, "above 0"),
])  # fmt: skip
def test_a_way_of_learning_that_does_not_exist_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY_UNET, **changes)


def test_a_state_is_its_motion_and_back():
    grid, occlusion = drawn(2, 5, 4, 6, 2), drawn(2, 5, 1, 4, 6).sigmoid()
    back = motion_of(state_of(grid, occlusion))
    assert torch.equal(back[0], grid) and torch.allclose(back[1], occlusion)


def test_axes_are_those_of_a_singular_value_decomposition():
    """One column apart the two could only differ in sign together; that sign cancels in every use."""
    root = drawn(500, 2, 2)
    covariance = root @ root.transpose(-1, -2) + 1e-3 * torch.eye(2)
    u, s, _ = torch.svd(covariance)
    theirs, ours = u @ torch.diag_embed(s.sqrt()), principal_axes(covariance)
    sign = (ours * theirs).sum((-2, -1), keepdim=True).sign()
    assert torch.allclose(ours * sign, theirs, atol=1e-4)
    assert torch.allclose(ours @ ours.transpose(-1, -2), covariance, atol=1e-5)


def test_axes_of_a_round_region_are_finite():
    assert torch.isfinite(principal_axes(torch.eye(2) * 0.1)).all()


def test_a_grid_between_pixel_centres_fetches_the_picture_itself():
    """The pixel centres of the reading convention; the build_network's own resting grid lies half a pixel outside."""
    picture = drawn(1, 3, 8, 8).sigmoid()
    assert torch.allclose(fetch(picture, coordinate_grid(8, 8, picture)[None] * 7 / 8), picture, atol=1e-5)
    assert not torch.allclose(fetch(picture, coordinate_grid(8, 8, picture)[None]), picture, atol=0.05)


def test_a_motion_makes_each_size_once():
    motion = Motion(drawn(1, 4, 4, 2), drawn(1, 1, 4, 4).sigmoid())
    assert motion.at((8, 8))[0] is motion.at((8, 8))[0]
    assert motion.at((4, 4))[0] is motion.grid


def test_the_autoencoder_renders_many_frames_as_it_renders_one(autoencoder):
    picture = drawn(1, 3, 32, 64).sigmoid()
    source = autoencoder.encode(picture)
    grid, occlusion = coordinate_grid(8, 16, picture) + 0.2 * drawn(5, 8, 16, 2), drawn(5, 1, 8, 16).sigmoid()
    clip = torch.cat(list(autoencoder.render(source, grid, occlusion, piece=2)))
    one = torch.cat([*autoencoder.render(source, grid[3:4], occlusion[3:4])])
    assert clip.shape == (5, 3, 32, 64) and torch.allclose(clip[3:4], one, atol=1e-5)


def test_fewer_frames_of_a_large_picture_are_rendered_at_once():
    assert [frames_at_once(side, side) for side in (64, 512, 1024, 2048)] == [8, 8, 2, 1]
    assert frames_at_once(512, 1024) == 4


def test_the_autoencoder_estimates_a_clip_as_it_estimates_a_pair(autoencoder):
    source, clip = drawn(1, 3, 64, 64).sigmoid(), drawn(3, 3, 64, 64, seed=1).sigmoid()
    grid, occlusion = autoencoder.estimate(source, clip, piece=2)
    with torch.no_grad():
        motion = autoencoder.network.estimate(source, clip[2:])
    assert grid.shape == (3, 16, 16, 2) and occlusion.shape == (3, 1, 16, 16)
    assert torch.allclose(grid[2:], motion.grid, atol=1e-5) and torch.allclose(
        occlusion[2:], motion.occlusion, atol=1e-5
    )


def test_the_autoencoder_refuses_what_it_cannot_render(autoencoder):
    picture = drawn(1, 3, 32, 64).sigmoid()
    source = autoencoder.encode(picture)
    grid, occlusion = torch.zeros(2, 8, 16, 2), torch.ones(2, 1, 8, 16)
    broken = grid.clone()
    broken[1, 0, 0, 0] = float("nan")
    for arguments, words in (
        ((grid.transpose(1, 2), occlusion), "needs a flow of 16 x 8, got 8 x 16"),
        ((grid, occlusion[:1]), "2 frames but its occlusion 1"),
        ((broken, occlusion), "flow has NaN.*first in frame 1"),
    ):
        with pytest.raises(ValueError, match=words):
            list(autoencoder.render(source, *arguments))
    with pytest.raises(ValueError, match="multiples of 4 pixels, but it is 65 x 30: scale it to 64 x 32"):
        autoencoder.encode(drawn(1, 3, 30, 65))
    with pytest.raises(ValueError, match="multiples of 32 pixels"):
        autoencoder.estimate(picture[..., :48], picture)
    with pytest.raises(ValueError, match="64 x 32 and the clip 64 x 64"):
        autoencoder.estimate(picture, drawn(1, 3, 64, 64))


@pytest.mark.parametrize(
    "config, good, bad", [(MUG_AUTOENCODER, 128, 96), (MHAD_AUTOENCODER, 256, 160), (TINY_AUTOENCODER, 32, 48)]
)
def test_the_rule_of_sizes_is_where_the_network_fails(config, good, bad):
    with torch.device("meta"):
        net = FlowAutoencoder(config).eval()
        net.estimate(torch.zeros(1, 3, good, good), torch.zeros(1, 3, good, good))
        with pytest.raises(RuntimeError):
            net.estimate(torch.zeros(1, 3, bad, bad), torch.zeros(1, 3, bad, bad))
    assert good % config.step == 0 and bad % config.step


def test_a_new_background_is_at_rest():
    found = FlowAutoencoder(TINY_AUTOENCODER).bg_predictor(drawn(1, 3, 32, 32), drawn(1, 3, 32, 32))
    assert torch.equal(found, torch.eye(3)[None])


def test_the_smallest_unet_is_a_unet():
    net = FlowUNet(UNET_SMALLER).eval()
    assert net(drawn(1, 3, 1, 2, 2), torch.tensor([0]), drawn(1, 12, 2, 2)).shape == (1, 3, 1, 2, 2)


@pytest.mark.parametrize("config, change", [
    (TINY_UNET, {"multiples": [1] * 10_000}), (TINY_UNET, {"width": 10**7}), (TINY_UNET, {"width": -4}),
    (TINY_UNET, {"heads": "8"}), (TINY_UNET, {"groups": 7}), (TINY_UNET, {"motion": "root", "motion_scale": float("nan")}),
    (TINY_AUTOENCODER, {"bottleneck": 10**9}), (TINY_AUTOENCODER, {"levels": 10**9}),
    (TINY_AUTOENCODER, {"flow": [8, 32, 10**9]}), (TINY_AUTOENCODER, {"scale": 1e-9}),
])  # fmt: skip
def test_a_file_that_asks_for_a_network_of_any_size_is_refused_at_once(tmp_path, config, change):
    """Before its weights are compared with the network that it describes, which would take minutes and gigabytes to build."""
    kind, name = ("unet", "time_rel_pos_bias.relative_attention_bias.weight")
    if config is TINY_AUTOENCODER:
        kind, name = "autoencoder", "generator.first.conv.weight"
    text = json.dumps({checkpoint.STORED[kind]: json.loads(config.to_json()) | change})
    state = {name: torch.zeros(2, 2)}
    path = tmp_path / "x.safetensors"
    save_file(state, path, {"duet_flow": text, "duet_crc32": checkpoint.checksum(state, text)})
    began = time.monotonic()
    with pytest.raises(ValueError, match="x.safetensors is a Duet flow file .*Save it again"):
        checkpoint.open_part(path, kind)
    assert time.monotonic() - began < 5
