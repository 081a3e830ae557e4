"""A kept half enters a model that was trained so clean and at time 0; every other mask and model goes the host's way."""

import pytest
import torch
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.sampler import DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, with_noise_mask
from pack.nodes.pair.windows import SetPairWindows
from tiny.model import FRAMES, conditioning, controlled, controlnet, gap, hints, ksampler, noise, tiny_model

TASKS = {DEPTH_FROM_VIDEO: slice(0, FRAMES), VIDEO_FROM_DEPTH: slice(FRAMES, 2 * FRAMES)}


@pytest.fixture(scope="module")
def model():
    return tiny_model(given="clean", cross_modal="all")


def pair(mask=None, frames: int = FRAMES) -> dict:
    made = {"samples": noise((2 * frames, 4, 8, 8), 4)}
    return made if mask is None else {**made, "noise_mask": mask[:, None]}


@pytest.fixture
def entering(model):
    """What enters the network at each step of a run: latents (B, 4, h, w) and their times (B,)."""
    seen = {"x": [], "time": []}
    unet = model.model.diffusion_model
    hooks = [
        unet.conv_in.register_forward_pre_hook(lambda _, args: seen["x"].append(args[0].clone())),
        unet.time_proj.register_forward_pre_hook(lambda _, args: seen["time"].append(args[0].clone())),
    ]
    yield seen
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("task", TASKS)
def test_the_kept_half_enters_clean_and_at_time_0(model, entering, task):
    kept = with_noise_mask(pair(), task, None, 2)
    out = ksampler(model, pair=kept, cfg=5.0)
    clean = model.model.process_latent_in(kept["samples"])[TASKS[task]]
    assert len(entering["x"]) == 2
    rests = []
    for x, time in zip(entering["x"], entering["time"], strict=True):
        for chunk, times in zip(x.chunk(2), time.chunk(2), strict=True):  # with and without the prompt
            rest = torch.ones(len(chunk), dtype=torch.bool)
            rest[TASKS[task]] = False
            assert torch.equal(chunk[TASKS[task]], clean) and not times[TASKS[task]].any()
            rests.append(times[rest].unique().tolist())
    assert rests == [[999.0]] * 2 + [[0.0]] * 2  # the other half goes from the first step to the last
    assert torch.allclose(out[TASKS[task]], kept["samples"][TASKS[task]], atol=1e-6)


def test_what_is_kept_decides_what_is_made(model):
    """The same noise beside two other videos."""
    one = with_noise_mask(pair(), DEPTH_FROM_VIDEO, None, 2)
    other = {**one, "samples": torch.cat((one["samples"][:FRAMES].flip(0), one["samples"][FRAMES:]))}
    assert gap(ksampler(model, pair=one)[FRAMES:], ksampler(model, pair=other)[FRAMES:]) > 1e-3


def masks() -> dict[str, torch.Tensor | None]:
    """Those that keep less than a half, or both."""
    part, frames = torch.zeros(2 * FRAMES, 8, 8), torch.ones(2 * FRAMES, 8, 8)
    part[:, 2:5], frames[[0, FRAMES]] = 1, 0
    return {"none": None, "a region of both": part, "the first frame of both": frames}


@pytest.mark.parametrize("mask", masks().values(), ids=masks().keys())
def test_without_a_kept_half_the_model_is_sampled_as_any_other(model, mask):
    """The same weights that were never given a clean half answer the same."""
    assert torch.equal(ksampler(model, pair=pair(mask)), ksampler(tiny_model(cross_modal="all"), pair=pair(mask)))


def test_a_model_that_was_not_trained_so_sees_the_half_as_noisy_as_the_other():
    kept = with_noise_mask(pair(), DEPTH_FROM_VIDEO, None, 2)
    as_trained = ksampler(tiny_model(given="clean", cross_modal="all"), pair=kept)
    assert gap(ksampler(tiny_model(cross_modal="all"), pair=kept)[FRAMES:], as_trained[FRAMES:]) > 1e-3


def test_a_mask_in_the_half_that_is_made_keeps_its_rest(model, entering):
    hole = torch.zeros(FRAMES, 8, 8)
    hole[:, :, 4:] = 1
    kept = with_noise_mask(pair(), DEPTH_FROM_VIDEO, hole, 2)
    out = ksampler(model, pair=kept)
    assert all(not time.chunk(2)[0][:FRAMES].any() for time in entering["time"])
    assert torch.allclose(out[FRAMES:, ..., :4], kept["samples"][FRAMES:, ..., :4], atol=1e-6)
    assert gap(out[FRAMES:, ..., 4:], kept["samples"][FRAMES:, ..., 4:]) > 0.1


def test_one_modality_alone_has_no_half(model):
    alone = SelectModality.execute(model, "depth only").result[0]
    mask = torch.ones(4, 8, 8)
    mask[:2] = 0
    made = {"samples": noise((4, 4, 8, 8), 4), "noise_mask": mask[:, None]}
    plain = SelectModality.execute(tiny_model(cross_modal="all"), "depth only").result[0]
    assert torch.equal(ksampler(alone, pair=made), ksampler(plain, pair=made))


def test_windows_get_their_own_frames_of_it():
    """Where frames are independent, windows equal one run."""
    per_frame = tiny_model(given="clean", temporal="none", cross_modal="all")
    kept = with_noise_mask(pair(frames=7), DEPTH_FROM_VIDEO, None, 2)
    windowed = SetPairWindows.execute(per_frame, 4, 2, "standard_static", "pyramid", 1, False, False).result[0]
    conds = controlled(controlnet(), hints(7), conditioning(1), conditioning(2))
    full, cut = (ksampler(m, *conds, pair=kept, steps=1) for m in (per_frame, windowed))
    assert gap(cut, full) < 1e-5
