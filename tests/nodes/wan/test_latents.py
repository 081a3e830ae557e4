"""The latents of a pair on Wan 2.2: empty, joined, split and sampled by the same nodes as other pairs."""

import pytest
import torch
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.pair.latent import EmptyLatent, JoinPair, SplitPair
from pack.nodes.pair.sampler import DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from tiny.wan import pair_state


@pytest.fixture(scope="module")
def model():
    return native_wan_pair(*pair_state(), dtype=torch.float32, disable_dynamic=True)


def clip(seed, frames=3, height=6, width=8):
    return {"samples": torch.randn(1, 48, frames, height, width, generator=torch.Generator().manual_seed(seed))}


def prompt(shown="depth", streams=2, width=24):
    return [
        [torch.randn(streams, 7, width, generator=torch.Generator().manual_seed(3)), {SHOWN: shown} if shown else {}]
    ]


def sampled(model, latent, positive=None, task="all", **more):
    positive = positive or prompt()
    return SampleLatent.execute(model, positive, positive, latent, 1, task, 3, 1.0, "auto", "auto", 1.0, **more).result[
        0
    ]


@pytest.mark.parametrize("asked, made", [((0, 0, 0), (9, 16, 16)), ((256, 128, 17), (5, 8, 16))])
def test_an_empty_latent_is_on_the_grid_of_wan(model, asked, made, caplog):
    latent = EmptyLatent.execute(model, *asked, 1).result[0]
    assert latent["samples"].shape == (2, 48, *made) and "in place of" not in caplog.text


def test_joined_and_split_again_is_the_same():
    video, depth = clip(1), clip(2) | {"noise_mask": torch.zeros(3, 1, 48, 64)}
    pair = JoinPair.execute(video, depth).result[0]
    assert torch.equal(pair["samples"], torch.cat((video["samples"], depth["samples"])))
    assert pair["noise_mask"].shape == (2, 1, 3, 6, 8) and pair["noise_mask"].mean((1, 2, 3, 4)).tolist() == [1, 0]
    halves = SplitPair.execute(pair).result
    assert all(torch.equal(a["samples"], b["samples"]) for a, b in zip(halves, (video, depth), strict=True))
    assert halves[1]["duet"]["modalities"] == ["depth"] and float(halves[1]["noise_mask"].max()) == 0


@pytest.mark.parametrize("task, kept", [(DEPTH_FROM_VIDEO, 0), (VIDEO_FROM_DEPTH, 1)])
def test_a_kept_half_stays_and_steers_the_other(model, task, kept):
    pair = JoinPair.execute(clip(1), clip(2)).result[0]
    out = sampled(model, pair, task=task)["samples"]
    assert torch.allclose(out[kept], pair["samples"][kept], atol=1e-5)
    assert (out[1 - kept] - pair["samples"][1 - kept]).abs().max() > 0.1
    other = {**pair, "samples": pair["samples"].clone()}
    other["samples"][kept] += 1
    assert (sampled(model, other, task=task)["samples"][1 - kept] - out[1 - kept]).abs().max() > 1e-3


def test_a_mask_limits_what_changes(model):
    pair = JoinPair.execute(clip(1), clip(2)).result[0]
    mask = torch.zeros(9, 96, 128)
    mask[:, :, 64:] = 1
    out = sampled(model, pair, change_mask=mask)["samples"]
    assert torch.allclose(out[..., :4], pair["samples"][..., :4], atol=1e-5)
    assert (out[..., 4:] - pair["samples"][..., 4:]).abs().max() > 0.1
