"""The pair as a LATENT, through the nodes and beside the host's own latent nodes."""

import pytest
import torch
from comfy.sample import prepare_noise
from pack.nodes.pair.latent import EmptyVideoDepthLatent, JoinVideoDepth, SplitVideoDepth

import nodes as host


def latent(frames, fill=0.0, size=(6, 8), **more):
    return {"samples": torch.full((frames, 4, *size), fill) + torch.arange(frames)[:, None, None, None], **more}


def test_empty_pair_is_twice_as_long():
    pair = EmptyVideoDepthLatent.execute(width=96, height=64, frames=5)[0]
    assert pair["samples"].shape == (10, 4, 8, 12) and not pair["samples"].any()
    assert pair["duet"] == {"frames": 5, "modalities": ["video", "depth"]}
    noise = prepare_noise(pair["samples"], 1)
    assert not torch.equal(noise[:5], noise[5:]), "each half gets noise of its own"


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_join_and_split_are_inverse(frames):
    video, depth = latent(frames), latent(frames, 100.0)
    pair = JoinVideoDepth.execute(video, depth, near=1.5, far=6.0)[0]
    assert pair["duet"] == {"frames": frames, "modalities": ["video", "depth"], "range": [1.5, 6.0]}
    first, second = SplitVideoDepth.execute(pair).result
    assert torch.equal(first["samples"], video["samples"]) and torch.equal(second["samples"], depth["samples"])
    assert "duet" not in first and second["duet"] == {"range": [1.5, 6.0]}


def test_inputs_are_not_written_to():
    video, depth = latent(3, batch_index=[4, 5, 6]), latent(3)
    before = dict(video)
    pair = JoinVideoDepth.execute(video, depth)[0]
    SplitVideoDepth.execute(pair)
    assert video == before and "batch_index" not in pair


def test_a_mask_on_one_half_keeps_the_other():
    video, depth = latent(4, noise_mask=torch.zeros(1, 48, 64)), latent(4)
    pair = JoinVideoDepth.execute(video, depth)[0]
    assert pair["noise_mask"].shape == (8, 1, 48, 64)
    assert not pair["noise_mask"][:4].any() and pair["noise_mask"][4:].all()
    first, second = SplitVideoDepth.execute(pair).result
    assert not first["noise_mask"].any() and second["noise_mask"].all() and len(second["noise_mask"]) == 4


def test_masks_of_the_stock_node_fit():
    masked = host.SetLatentNoiseMask().set_mask(latent(4), torch.rand(4, 40, 40))[0]
    pair = JoinVideoDepth.execute(latent(4), masked)[0]
    assert torch.allclose(pair["noise_mask"][4:], masked["noise_mask"]) and pair["noise_mask"][:4].all()


def test_a_short_mask_on_the_pair_goes_to_both_halves():
    pair = {**latent(6), "noise_mask": torch.rand(3, 1, 8, 8)}
    for part in SplitVideoDepth.execute(pair).result:
        assert torch.equal(part["noise_mask"], pair["noise_mask"])


def test_split_after_stock_latent_nodes():
    pair = JoinVideoDepth.execute(latent(3), latent(3, 50.0))[0]
    flipped = host.LatentFlip().flip(pair, "x-axis: vertically")[0]
    depth = SplitVideoDepth.execute(flipped)[1]
    assert torch.equal(depth["samples"], latent(3, 50.0)["samples"].flip(2))


@pytest.mark.parametrize(
    ("video", "depth", "says"),
    [
        (latent(4), latent(3), "4 frames .* 3 frames"),
        (latent(4), latent(4, size=(6, 6)), "4 x 6 x 8 .* 4 x 6 x 6"),
        (latent(4), {"samples": torch.zeros(1, 4, 4, 6, 8)}, "4 dimensions"),
        (latent(0), latent(0), "no frames"),
        (latent(4, noise_mask=torch.ones(3, 8, 8)), latent(4), "4 frames but its noise mask has 3"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(video, depth, says):
    with pytest.raises(ValueError, match=says):
        JoinVideoDepth.execute(video, depth)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_an_odd_pair_is_refused_in_words(count):
    with pytest.raises(ValueError, match=f"even; got {count}.*Join Video and Depth"):
        SplitVideoDepth.execute({"samples": torch.zeros(count, 4, 8, 8)})
