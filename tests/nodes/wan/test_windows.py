"""Context windows along the latent frames of a pair on Wan 2.2: those of the host, the same for both halves."""

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_context_windows import WanContextWindowsManualNode
from pack.nodes.host.choices import CONTEXT_SCHEDULES, FUSE_METHODS
from pack.nodes.host.pair.clip_windows import area_in, latent_frames, latent_overlap
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import native_wan_pair
from pack.nodes.pair.sampler import DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from pack.nodes.pair.windows import SetPairWindows
from tiny.wan import pair_state, sample_wan

T = 7  # latent frames, as many as the latents are high: what takes one for the other is seen


@pytest.fixture(scope="module")
def model():
    return native_wan_pair(*pair_state(), dtype=torch.float32, disable_dynamic=True)


def windowed(model, length=13, overlap=8, schedule="standard_static", fuse="pyramid", stride=1, loop=False, free=False):
    return SetPairWindows.execute(model, length, overlap, schedule, fuse, stride, loop, free).result[0]


def sampled(model, frames=T, conds=None, **more):
    """With two prompts for the positive and as many for the negative, or with given conditioning."""
    g = torch.Generator().manual_seed(1)
    noise, tokens = torch.randn(2, 48, frames, T, 4, generator=g), torch.randn(2, 5, 24, generator=g)
    if conds is None:
        return sample_wan(model, noise, tokens, "depth", cfg=2.0, **more)
    import comfy.sample

    return comfy.sample.sample(
        model, noise, 3, 1.0, "euler", "simple", conds, conds, torch.zeros_like(noise), seed=0, disable_pbar=True
    )


def prompt(seed, **more):
    return [[torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(seed)), {SHOWN: "depth", **more}]]


def apart(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("schedule", CONTEXT_SCHEDULES)
@pytest.mark.parametrize("fuse", FUSE_METHODS)
def test_they_are_the_windows_of_comfyui(model, schedule, fuse):
    free = fuse == "flat"
    theirs = WanContextWindowsManualNode.execute(model, 13, 8, schedule, 1, False, fuse, free).result[0]
    out = sampled(windowed(model, schedule=schedule, fuse=fuse, free=free))
    assert apart(out, sampled(theirs)) < 1e-6
    assert apart(out, sampled(model)) > 1e-3, "the windows change something"


def test_both_halves_get_the_same_windows(model):
    seen = []

    def spy(executor, x, *args, **kwargs):
        seen.append((x.shape[0], args[4]["context_window"].index_list, x.shape[2]))
        return executor(x, *args, **kwargs)

    clone = windowed(model)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", spy)
    sampled(clone, steps=1)
    assert seen == [(4, [0, 1, 2, 3], 4), (4, [2, 3, 4, 5], 5), (4, [3, 4, 5, 6], 5)], (
        "both halves with and without the prompt; the later windows behind the frame before them"
    )


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("frames", [3, 4])
def test_a_clip_no_longer_than_a_window_is_sampled_as_without_windows(model, frames, free):
    assert torch.equal(sampled(windowed(model, free=free), frames), sampled(model, frames))


@pytest.mark.parametrize("options", [
    {"overlap": 0, "fuse": "overlap-linear"},
    {"stride": 3, "schedule": "standard_uniform"},
    {"stride": 3, "schedule": "looped_uniform", "loop": True},
    {"length": 17, "overlap": 16, "fuse": "overlap-linear"},
    {"length": 1, "overlap": 0},
])  # fmt: skip
def test_at_the_edges_of_the_options_no_frame_is_left_out(model, options):
    out = sampled(windowed(model, **options))
    assert torch.isfinite(out).all() and out.std((0, 1, 3, 4)).min() > 0.1


def test_freenoise_shuffles_both_halves_alike(model):
    handler = windowed(model, free=True).model_options["context_handler"]
    given = torch.arange(2.0 * T).reshape(2, 1, T, 1, 1)
    out = handler._apply_freenoise(given, [], 0).flatten(1)
    assert torch.equal(out[1], out[0] + T) and sorted(set(out[0].tolist())) == [0, 1, 2, 3]
    assert torch.equal(given.flatten(), torch.arange(2.0 * T)), "the noise that came is as it was"


def test_the_memory_of_one_window_is_asked_for(model, monkeypatch):
    asked, estimate = [], model.model.memory_required
    monkeypatch.setattr(model.model, "memory_required", lambda s, **k: asked.append(s[2]) or estimate(s, **k))
    sampled(windowed(model), steps=1)
    assert max(asked) == 5


def frames_mask(first, behind, value=1.0):
    mask = torch.zeros(T, 16 * T, 64)
    mask[first:behind] = value
    return mask


@pytest.mark.parametrize("task, kept", [(DEPTH_FROM_VIDEO, 0), (VIDEO_FROM_DEPTH, 1)])
def test_a_half_that_is_given_stays_in_every_window(model, task, kept):
    pair = {"samples": torch.randn(2, 48, T, T, 4, generator=torch.Generator().manual_seed(2))}
    settings = (1, task, 3, 1.0, "auto", "auto", 1.0)
    outs = [
        SampleLatent.execute(one, prompt(1), prompt(1), pair, *settings).result[0]["samples"]
        for one in (model, windowed(model))
    ]
    assert torch.allclose(outs[1][kept], pair["samples"][kept], atol=1e-5)
    assert apart(outs[1][1 - kept], outs[0][1 - kept]) > 1e-3, "the windows change something"
    assert (outs[1][1 - kept] - pair["samples"][1 - kept]).abs().amax((0, 2, 3)).min() > 0.1, "in every frame"


@pytest.mark.parametrize("by", ["mask", "area"])
def test_a_prompt_for_some_frames_reaches_only_their_windows(model, by):
    """Windows without overlap: the first one, of four frames, must know nothing of what was said about the rest."""
    early, late = (
        ({"mask": frames_mask(0, 4)}, {"mask": frames_mask(4, T)})
        if by == "mask"
        else ({"area": ("percentage", 4 / T, 1, 1, 0, 0, 0)}, {"area": ("percentage", 3 / T, 1, 1, 4 / T, 0, 0)})
    )
    apart_from = windowed(model, overlap=0, schedule="batched", fuse="flat")
    both = sampled(apart_from, conds=prompt(1, **early) + prompt(2, **late))
    one = sampled(apart_from, conds=prompt(1))
    assert apart(both[:, :, :4], one[:, :, :4]) < 1e-5
    assert apart(both[:, :, 5:], one[:, :, 5:]) > 1e-2


def test_a_mask_of_one_picture_holds_for_all_frames(model):
    mask = torch.zeros(1, 16 * T, 64)
    mask[..., 32:] = 1
    halves = prompt(1, mask=mask) + prompt(1, mask=1 - mask)
    assert apart(sampled(windowed(model), conds=halves), sampled(windowed(model), conds=prompt(1))) < 1e-5


def test_an_area_in_time_is_counted_from_the_frames_of_the_window(model):
    handler = windowed(model).model_options["context_handler"]
    window = handler.window([2, 3, 4, 5], T)
    assert area_in((3, 7, 4, 4, 0, 0), window, T) == (2, 7, 4, 2, 0, 0)
    window.causal_anchor_index = 1
    assert area_in((3, 7, 4, 0, 0, 0), window, T) == (2, 7, 4, 0, 0, 0)
    assert area_in((1, 7, 4, 6, 0, 0), window, T) == ()
    assert area_in((4, 2, 1, 1), window, T) == (4, 2, 1, 1), "no time"


@pytest.mark.parametrize(
    ("length", "overlap", "latents", "shared"),
    [(33, 8, 9, 2), (16, 4, 4, 1), (1, 0, 1, 0), (4, 3, 1, 0), (81, 30, 21, 7)],
)
def test_frames_are_counted_in_latent_frames_and_said(model, caplog, length, overlap, latents, shared):
    assert (latent_frames(length, 4), latent_overlap(overlap, 4)) == (latents, shared)
    handler = windowed(model, length, overlap).model_options["context_handler"]
    assert (handler.context_length, handler.context_overlap, handler.dim) == (latents, shared, 2)
    rounded = (1 + 4 * (latents - 1), 4 * shared) != (length, overlap)
    assert ("in place of" in caplog.text) == rounded
