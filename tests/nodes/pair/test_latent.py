"""The pair as a LATENT, through the nodes and beside the host's own latent nodes."""

from types import SimpleNamespace

import comfy.latent_formats as formats
import comfy.model_management as memory
import pytest
import torch
from comfy.sample import prepare_noise
from pack.models.files import save_model
from pack.models.files.recommended import Recommended
from pack.nodes.lfdm.loaders import open_flow
from pack.nodes.pair.latent import EmptyLatent, JoinPair, SplitPair
from pack.nodes.pair.modality import SelectModality
from pack.nodes.unet.loaders import open_video_model
from tiny.flow_files import write_flow_models
from tiny.model import PICTURES, tiny_config, tiny_model, tiny_weights

import nodes as host


def stock_model(latent_format):
    """What the pack reads of a MODEL of the host."""
    base = SimpleNamespace(latent_format=latent_format)
    return SimpleNamespace(
        model=base, model_options={}, get_attachment=lambda key: None, get_model_object=lambda name: getattr(base, name)
    )


def latent(frames, fill=0.0, size=(6, 8), **more):
    return {"samples": torch.full((frames, 4, *size), fill) + torch.arange(frames)[:, None, None, None], **more}


def test_empty_pair_is_twice_as_long():
    pair = EmptyLatent.execute(tiny_model(), width=96, height=64, frames=5, batch_size=1)[0]
    assert pair["samples"].shape == (10, 4, 8, 12) and not pair["samples"].any()
    assert pair["duet"] == {"frames": 5, "modalities": ["video", "depth"]}
    noise = prepare_noise(pair["samples"], 1)
    assert not torch.equal(noise[:5], noise[5:]), "each half gets noise of its own"


def test_an_empty_latent_of_one_modality_has_an_entry_for_each_frame():
    alone = SelectModality.execute(tiny_model(), "depth only")[0]
    for model, modality in ((alone, "depth"), (tiny_model(**PICTURES), "video")):
        latent = EmptyLatent.execute(model, 96, 64, 5, 1)[0]
        assert latent["samples"].shape == (5, 4, 8, 12) and latent["duet"] == {"modalities": [modality]}


def test_an_empty_latent_of_a_flow_model_is_a_batch_of_clips(tmp_path):
    write_flow_models(tmp_path)
    model = open_flow(str(tmp_path / "flow_models" / "duet_flow_64.safetensors"))[0]
    latent = EmptyLatent.execute(model, 64, 48, 5, 2)[0]
    assert latent["samples"].shape == (2, 3, 5, 12, 16) and latent["downscale_ratio_spacial"] == 4
    assert EmptyLatent.execute(model, 0, 0, 0, 1)[0]["samples"].shape == (1, 3, 40, 32, 32), "as released"


def test_zero_is_what_the_file_recommends(tmp_path):
    config = tiny_config()
    path = tmp_path / "pair.safetensors"
    settings = Recommended(96, 64, 3, 2, 1.0, "ddim", "sgm_uniform")
    save_model(path, tiny_weights(config), config, duet_recommended=settings.to_json())
    model = open_video_model(str(path))[0]
    assert EmptyLatent.execute(model, 0, 0, 0, 1)[0]["samples"].shape == (6, 4, 8, 12)
    assert EmptyLatent.execute(model, 0, 128, 4, 1)[0]["samples"].shape == (8, 4, 16, 12)


def test_an_empty_latent_lies_where_the_host_keeps_pictures(monkeypatch):
    monkeypatch.setattr(memory, "intermediate_device", lambda: torch.device("meta"))
    assert EmptyLatent.execute(tiny_model(), 64, 64, 1, 1)[0]["samples"].device.type == "meta"


@pytest.mark.parametrize("latent_format, shape", [
    (formats.SD15(), (1, 4, 64, 64)), (formats.SDXL(), (1, 4, 128, 128)), (formats.Flux(), (1, 16, 128, 128)),
])  # fmt: skip
def test_a_stock_picture_model_gets_the_latent_of_its_format(latent_format, shape):
    assert EmptyLatent.execute(stock_model(latent_format), 0, 0, 0, 1)[0]["samples"].shape == shape


@pytest.mark.parametrize(("model", "given", "says"), [
    (stock_model(formats.Wan21()), (0, 0, 0, 1), "got a SimpleNamespace, whose latent has another form"),
    (tiny_model(), (8, 0, 0, 1), "at least 64 pixels, got 8 x 512"),
    (tiny_model(), (64, 64, 2, 3), "batch_size: expected 1, .* got 3"),
])  # fmt: skip
def test_a_latent_that_the_model_cannot_sample_is_refused(model, given, says):
    with pytest.raises(ValueError, match=says):
        EmptyLatent.execute(model, *given)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_join_and_split_are_inverse(frames):
    video, depth = latent(frames), latent(frames, 100.0)
    pair = JoinPair.execute(video, depth, near_depth=1.5, far_depth=6.0)[0]
    assert pair["duet"] == {"frames": frames, "modalities": ["video", "depth"], "range": [1.5, 6.0]}
    first, second = SplitPair.execute(pair).result
    assert torch.equal(first["samples"], video["samples"]) and torch.equal(second["samples"], depth["samples"])
    assert first["duet"] == {"modalities": ["video"]}
    assert second["duet"] == {"modalities": ["depth"], "range": [1.5, 6.0]}


def test_inputs_are_not_written_to():
    video, depth = latent(3, batch_index=[4, 5, 6]), latent(3)
    before = dict(video)
    pair = JoinPair.execute(video, depth)[0]
    SplitPair.execute(pair)
    assert video == before and "batch_index" not in pair


def test_a_mask_on_one_half_keeps_the_other():
    video, depth = latent(4, noise_mask=torch.zeros(1, 48, 64)), latent(4)
    pair = JoinPair.execute(video, depth)[0]
    assert pair["noise_mask"].shape == (8, 1, 48, 64)
    assert not pair["noise_mask"][:4].any() and pair["noise_mask"][4:].all()
    first, second = SplitPair.execute(pair).result
    assert not first["noise_mask"].any() and second["noise_mask"].all() and len(second["noise_mask"]) == 4


def test_masks_of_the_stock_node_fit():
    masked = host.SetLatentNoiseMask().set_mask(latent(4), torch.rand(4, 40, 40))[0]
    pair = JoinPair.execute(latent(4), masked)[0]
    assert torch.allclose(pair["noise_mask"][4:], masked["noise_mask"]) and pair["noise_mask"][:4].all()


def test_a_short_mask_on_the_pair_goes_to_both_halves():
    pair = {**latent(6), "noise_mask": torch.rand(3, 1, 8, 8)}
    for part in SplitPair.execute(pair).result:
        assert torch.equal(part["noise_mask"], pair["noise_mask"])


def test_split_after_stock_latent_nodes():
    pair = JoinPair.execute(latent(3), latent(3, 50.0))[0]
    flipped = host.LatentFlip().flip(pair, "x-axis: vertically")[0]
    depth = SplitPair.execute(flipped)[1]
    assert torch.equal(depth["samples"], latent(3, 50.0)["samples"].flip(2))


@pytest.mark.parametrize(
    ("video", "depth", "says"),
    [
        (latent(4), latent(3), "4 frames .* 3 frames"),
        (latent(4), latent(4, size=(6, 6)), "4 x 6 x 8 .* 4 x 6 x 6"),
        (latent(4), {"samples": torch.zeros(1, 4, 4, 6, 8)}, "4 dimensions"),
        (latent(0), latent(0), "no frames"),
        (
            latent(4, noise_mask=torch.ones(3, 8, 8)),
            latent(4),
            "video_latent: expected a noise mask of 1 or 4 frames .* got 3",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(video, depth, says):
    with pytest.raises(ValueError, match=says):
        JoinPair.execute(video, depth)


def test_a_pair_is_no_half():
    """Joined again it would be a pair of twice the frames, each half video and depth."""
    pair = JoinPair.execute(latent(3), latent(3))[0]
    for halves, name in (((pair, pair), "video_latent"), ((latent(6), pair), "depth_latent")):
        with pytest.raises(
            ValueError, match=f"{name}: expected frames of one kind, got 6 latents of video and depth: put Split"
        ):
            JoinPair.execute(*halves)


@pytest.mark.parametrize("wrong", [torch.nan, -torch.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_one_number_that_is_not_finite_is_not_joined(wrong, place):
    halves = [latent(4), latent(4)]
    halves[place]["samples"][2, 1, 3, 5] = wrong
    with pytest.raises(ValueError, match=f"{('video', 'depth')[place]}_latent: .*got 1 NaN or infinite .*in frame 2"):
        JoinPair.execute(*halves)


@pytest.mark.parametrize("half", [0, 1])
def test_a_half_is_not_split(half):
    part = SplitPair.execute(JoinPair.execute(latent(4), latent(4))[0])[half]
    with pytest.raises(
        ValueError, match=f"expected video and depth in one latent, got {('video', 'depth')[half]} alone"
    ):
        SplitPair.execute(part)
    assert len(JoinPair.execute(part, part)[0]["samples"]) == 8, (
        "one of them may stand for the other until it is sampled"
    )


def test_the_latent_of_a_model_of_one_modality_is_not_split():
    for model in (SelectModality.execute(tiny_model(), "video only")[0], tiny_model(**PICTURES)):
        with pytest.raises(ValueError, match="got video alone: connect both halves to Join Video and Depth"):
            SplitPair.execute(EmptyLatent.execute(model, 64, 64, 4, 1)[0])


@pytest.mark.parametrize("count", [2, 5, 6, 12])
def test_a_noise_mask_of_other_frames_is_not_split(count):
    """The host has sampled with a mask that it repeated or cut; the latent still carries the mask that came."""
    pair = {**JoinPair.execute(latent(4), latent(4))[0], "noise_mask": torch.rand(count, 1, 48, 64)}
    with pytest.raises(
        ValueError, match=f"a noise mask of 1 or 4 or 8 frames for 4 frames and as many of depth, got {count}"
    ):
        SplitPair.execute(pair)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_an_odd_pair_is_refused_in_words(count):
    with pytest.raises(ValueError, match=f"even number of latents.* got {count}: .*Join Video and Depth"):
        SplitPair.execute({"samples": torch.zeros(count, 4, 8, 8)})
