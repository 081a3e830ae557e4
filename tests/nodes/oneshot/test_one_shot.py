"""Models with a depth channel and one-shot models on the host: samplers, windows, guidance, files."""

from pathlib import Path

import folder_paths
import pytest
import torch
from comfy_extras.nodes_context_windows import ContextWindowsManualNode
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from pack.models.files import save_folder, save_model
from pack.models.files.tuned import is_tuned, tav_name
from pack.models.oneshot.depth_channel import depth_channel
from pack.models.oneshot.files import Tuning, save_tuning
from pack.models.unet.network import VideoUNet
from pack.nodes.files.convert import ConvertCheckpoint
from pack.nodes.host.unet.model import native_model, weights_of
from pack.nodes.oneshot.depth_channel import EncodeDepth
from pack.nodes.oneshot.tuning import LoadVideoTuning
from pack.nodes.pair.windows import SetPairWindows
from pack.nodes.unet.loaders import ADDED_LAYERS, LoadVideoModel
from tiny.model import (
    PICTURES,
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    spied,
    tiny_config,
    tiny_model,
    tiny_weights,
)  # fmt: skip

FRAMES = 7
DEPTH = {**PICTURES, "in_channels": 5}
ONE_SHOT = {**DEPTH, **ADDED_LAYERS["video tuning"]}


@pytest.fixture(scope="module")
def still():
    """A model of pictures with a depth channel."""
    return tiny_model(**DEPTH)


@pytest.fixture(scope="module")
def one_shot():
    return tiny_model(**ONE_SHOT)


def relief(frames=FRAMES, height=64, width=64, seed=0):
    return torch.rand((frames, height, width, 1), generator=torch.Generator().manual_seed(seed)).expand(-1, -1, -1, 3)


def with_depth(depth=None, mode="per clip", positive=None, negative=None):
    depth = relief() if depth is None else depth
    positive, negative = positive or conditioning(1), negative or conditioning(2)
    return EncodeDepth.execute(positive, negative, depth, mode).result


def windowed(model, length=4, overlap=2, fuse="pyramid", schedule="standard_static"):
    return SetPairWindows.execute(model, length, overlap, schedule, fuse, 1, False, False).result[0]


@pytest.mark.parametrize("mode", ["per clip", "per frame", "unchanged"])
@pytest.mark.parametrize("count", [1, FRAMES])
def test_the_network_sees_noise_and_depth_and_both_chunks_see_the_same(still, mode, count):
    seen = []
    depth = relief(count)
    ksampler(spied(still, [], seen.append), *with_depth(depth, mode), latent(FRAMES), steps=1)
    expected = depth_channel(depth[..., 0][:, None], (8, 8), mode).expand(FRAMES, -1, -1, -1)
    assert [tuple(x.shape) for x in seen] == [(2 * FRAMES, 5, 8, 8)]
    assert torch.equal(seen[0][:, 4:], torch.cat((expected, expected)))


def test_every_picture_of_a_batch_is_sampled_with_its_own_depth(still):
    batch = ksampler(still, *with_depth(mode="per frame"), latent(FRAMES, batch_index=list(range(FRAMES))))
    alone = ksampler(still, *with_depth(relief()[4:5], "per frame"), latent(1, batch_index=[4]))
    assert torch.isfinite(batch).all() and gap(batch[4:5], alone) < 1e-5
    assert gap(ksampler(still, *with_depth(1 - relief(), "per frame"), latent(FRAMES)), batch) > 1e-3, "depth counts"


def test_inputs_stay_as_they_were():
    positive, negative = conditioning(1, mask=torch.ones(1)), conditioning(2)
    out = with_depth(positive=positive, negative=negative)
    assert "depth_map" not in positive[0][1] and "mask" in out[0][0][1] and out[1][0][1]["depth_range"] == "per clip"


@pytest.mark.parametrize("count", [1, FRAMES])
@pytest.mark.parametrize("mode", ["per clip", "per frame"])
def test_the_depth_follows_the_windows(still, count, mode):
    conds = with_depth(relief(count), mode)
    full = ksampler(still, *conds, latent(FRAMES), steps=1)
    stock = ContextWindowsManualNode.execute(still, 4, 2, "standard_static", 1, False, "pyramid", 0, False).result[0]
    for model in (windowed(still), stock):
        assert gap(ksampler(model, *conds, latent(FRAMES), steps=1), full) < 1e-6


@pytest.mark.parametrize("conds, words", [
    (lambda: (conditioning(1), conditioning(2)), "positive or negative conditioning has none.*Encode Depth .Depth-to-Image Model."),
    (lambda: (with_depth(relief(6))[0], conditioning(2)), "positive or negative conditioning has none"),
    (lambda: with_depth(relief(3)), "depth has 3 frames.*batch of 6"),
    (lambda: with_depth(relief(7)), "depth has 7 frames.*batch of 6"),
    (lambda: with_depth(relief(6, 64, 96)), "depth is 96 x 64 pixels.* pictures of 64 x 64"),
])  # fmt: skip
def test_depth_that_does_not_fit_is_refused_before_sampling(still, conds, words):
    seen = []
    with pytest.raises(ValueError, match=words):
        ksampler(spied(still, seen), *conds(), latent(6))
    assert not seen


def test_a_model_without_a_depth_channel_refuses_the_depth():
    with pytest.raises(ValueError, match="no depth channel.*depth ControlNet"):
        ksampler(tiny_model(**PICTURES), *with_depth(), latent(FRAMES))


@pytest.mark.parametrize("depth, mode, words", [
    (torch.rand(2, 8, 8, 3), "per clip", "expected a grey depth picture"),
    (relief(2) * 255, "unchanged", "expected values from 0 to 1 for depth_range unchanged, got up to 2.*Normalize Depth"),
    (relief(2) / 0, "per clip", "finite"),
    (torch.rand(2, 8, 8), "per clip", "expected an IMAGE batch"),
])  # fmt: skip
def test_pictures_that_are_no_depth_are_refused(depth, mode, words):
    with pytest.raises(ValueError, match=words):
        with_depth(depth, mode)


def test_a_flat_depth_is_the_middle_plane(still):
    seen = []
    ksampler(spied(still, [], seen.append), *with_depth(torch.full((1, 64, 64, 3), 0.3)), latent(2), steps=1)
    assert not seen[0][:, 4:].any()


def test_the_model_on_the_host_is_the_network_itself(one_shot):
    """Sparse-causal attention through the host's kernel, with two chunks of five frames."""
    config = tiny_config(**ONE_SHOT)
    net = VideoUNet(config).eval()
    net.load_state_dict(tiny_weights(config))
    x, t, context = noise((10, 5, 8, 8)), torch.full((10,), 500.0), noise((10, 5, 768), 1)
    with torch.no_grad():
        expected = net(x, t, context, chunks=2)
        ours = one_shot.model.diffusion_model(x, t, context, transformer_options={"cond_or_uncond": [1, 0]})
        wrong = one_shot.model.diffusion_model(x, t, context, transformer_options={"cond_or_uncond": [0]})
    assert gap(ours, expected) < 1e-5 < gap(wrong, expected)


def test_guidance_and_tiles_work_on_a_one_shot_model(one_shot):
    conds, given = with_depth(relief(2, 128, 128)), lambda: latent(2, size=16)
    plain = ksampler(one_shot, *conds, given(), steps=1)
    nodes = ((PerturbedAttentionGuidance, (3.0,)), (SelfAttentionGuidance, (0.5, 2.0)), (HyperTile, (64, 2, 0, False)))
    for node, options in nodes:
        out = ksampler(node.execute(one_shot, *options)[0], *conds, given(), steps=1)
        assert torch.isfinite(out).all() and gap(out, plain) > 1e-4, node.__name__


def test_a_window_holds_the_first_frame_and_drops_its_answer(one_shot):
    """A window that begins later equals the clip of the first frame and the window's own, less the first."""
    net, pictures, depth = controlnet(), hints(FRAMES), relief()
    full = latent(FRAMES, batch_index=list(range(FRAMES)))
    conds = controlled(net, pictures, *with_depth(depth, "per frame"))
    seen = []
    out = ksampler(spied(windowed(one_shot, 4, 0, "flat", "batched"), seen), *conds, full, steps=1)
    assert seen == [(8, [1, 0]), (8, [1, 0])], "frames 0 to 3, then 0 and 4 to 6"
    for frames, kept in (([0, 1, 2, 3], 0), ([0, 4, 5, 6], 1)):
        conds = controlled(net, pictures[frames], *with_depth(depth[frames], "per frame"))
        piece = ksampler(one_shot, *conds, latent(4, batch_index=frames), steps=1)
        assert gap(out[frames[kept:]], piece[kept:]) < 1e-5


def test_the_first_frame_reaches_every_window_of_video_and_depth():
    pair = tiny_model(self_attention="sparse_causal", temporal="none", cross_modal="none", background="none")
    frames = [0, 4, 5, 6]
    out = ksampler(
        windowed(pair, 4, 0, "flat", "batched"), pair=latent(2 * FRAMES, batch_index=list(range(14))), steps=1
    )
    both = frames + [FRAMES + i for i in frames]
    piece = ksampler(pair, pair=latent(8, batch_index=both), steps=1)
    later = [1, 2, 3, 5, 6, 7]
    assert gap(out[both][later], piece[later]) < 1e-5
    alone = [4, 5, 6, 11, 12, 13]
    assert gap(ksampler(pair, pair=latent(6, batch_index=alone), steps=1), out[alone]) > 1e-3, "the first frame counts"


def test_stock_windows_which_lose_the_first_frame_are_refused(one_shot):
    seen = []
    stock = ContextWindowsManualNode.execute(one_shot, 4, 2, "standard_static", 1, False, "pyramid", 0, False).result[0]
    with pytest.raises(ValueError, match="first frame of the clip.*use Context Windows \\(Video and Depth\\) instead"):
        ksampler(spied(stock, seen), *with_depth(), latent(FRAMES))
    assert not seen
    sample = lambda model: ksampler(windowed(model), *with_depth(), latent(FRAMES), steps=1)
    assert torch.equal(sample(stock), sample(one_shot)), "ours in their place"


@pytest.mark.parametrize("schedule", ["standard_uniform", "looped_uniform"])
@pytest.mark.parametrize("fuse", ["pyramid", "relative", "overlap-linear"])
def test_windows_of_every_kind_answer_for_every_frame(one_shot, schedule, fuse):
    still_noise = latent(FRAMES, batch_index=[0] * FRAMES)  # one picture again and again: windows cannot differ
    conds = with_depth(relief(1))
    full = ksampler(one_shot, *conds, still_noise, steps=1)
    assert gap(ksampler(windowed(one_shot, 4, 2, fuse, schedule), *conds, still_noise, steps=1), full) < 1e-5


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The host's folders of models and its output, empty."""
    for name in ("diffusion_models", "checkpoints", "model_patches"):
        (tmp_path / name).mkdir()
        known = folder_paths.folder_names_and_paths[name][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], known))
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    folder_paths.filename_list_cache.clear()
    return tmp_path


SMALL = {"block_out_channels": (32, 64), "attention_levels": (True, True), "attention_head_dim": (1, 1),
         "use_linear_projection": True}  # fmt: skip


def answer(model):
    return ksampler(model, *with_depth(relief(3)), latent(3), steps=1)


def test_load_video_model_opens_a_folder_of_tune_a_video_by_the_file_in_it(folders):
    config = tiny_config(**{**ONE_SHOT, **SMALL, "group_norm": "clip"})
    state = tiny_weights(config)
    save_folder(folders / "diffusion_models" / "tav", state, config)
    name = "tav/unet/diffusion_pytorch_model.safetensors"
    assert name in folder_paths.get_filename_list("diffusion_models")
    model, _, report = LoadVideoModel.execute(name, "none").result
    assert "Tune-A-Video with a depth channel" in report
    assert torch.equal(answer(model), answer(native_model(config, state)))


def test_a_new_one_shot_model_is_the_picture_model_with_another_look(folders):
    config = tiny_config(**{**DEPTH, **SMALL})
    save_model(folders / "diffusion_models" / "depth.safetensors", tiny_weights(config), config)
    still, _, _ = LoadVideoModel.execute("depth.safetensors", "none").result
    fresh, _, report = LoadVideoModel.execute("depth.safetensors", "video tuning").result
    assert "attends to the first frame and to the previous one" in report
    conds = with_depth(relief(1))
    assert torch.equal(ksampler(fresh, *conds, latent(1), steps=1), ksampler(still, *conds, latent(1), steps=1))
    assert gap(answer(fresh), answer(still)) > 1e-3


def test_a_tuning_goes_onto_its_base_as_our_file_and_as_a_pth(folders):
    whole, base = (tiny_config(**{**kind, **SMALL}) for kind in (ONE_SHOT, DEPTH))
    state = tiny_weights(whole)
    for name in state:
        if ".tem_norm." in name:
            state[name] = torch.full_like(state[name], float(name.endswith("weight")))
    picture = native_model(base, {name: value for name, value in state.items() if ".tem_" not in name})
    save_tuning(folders / "model_patches" / "cat.safetensors", state, whole, Tuning(frames=8, steps=500, lr=3e-5))
    tuned, report = LoadVideoTuning.execute(picture, "cat.safetensors").result
    assert "Tuned on 8 frames" in report and "another base" not in report
    assert torch.equal(answer(tuned), answer(native_model(whole, state)))
    assert gap(answer(picture), answer(tuned)) > 1e-3
    assert weights_of(tuned)[0] == whole

    old = {tav_name(name): value for name, value in state.items() if is_tuned(name)}
    torch.save(old, folders / "diffusion_models" / "tuneavideo-500.pth")
    target, text = ConvertCheckpoint.execute("tuneavideo-500.pth", "model_patches/%name%", "auto", "unchanged").result
    target = Path(target).name
    assert "Choose it in Load Video Tuning." in text
    folder_paths.filename_list_cache.clear()
    over_clip, _ = LoadVideoTuning.execute(picture, target).result
    assert weights_of(over_clip)[0].group_norm == "clip"
    with pytest.raises(ValueError, match="already has attention over time"):
        LoadVideoTuning.execute(tiny_model(), target)
