"""Every node of the host that takes a LATENT and returns one, on a pair: right for both halves, or refused afterwards.

Right means: what Split Video and Depth returns is what the node makes of each half alone.
"""

import asyncio

import pytest
import torch
from comfy_extras.nodes_custom_sampler import BasicGuider, KSamplerSelect, Noise_RandomNoise
from pack.nodes.pair.latent import JoinPair, SplitPair
from pack.nodes.pair.sampler import ALL, AUTO, SampleLatent
from tiny.model import conditioning, noise, tiny_model

import nodes as host

pytestmark = pytest.mark.long(seconds=25)

FRAMES = 4
CUT = "remove nodes that cut, repeat or join batches"


@pytest.fixture(scope="module")
def found() -> dict:
    """The host's own nodes that take a LATENT and return one; afterwards its lists are as they were."""
    lists = (host.NODE_CLASS_MAPPINGS, host.NODE_DISPLAY_NAME_MAPPINGS)
    before = [dict(one) for one in lists]
    asyncio.run(host.init_builtin_extra_nodes())
    yield {
        name: node
        for name, node in host.NODE_CLASS_MAPPINGS.items()
        if not name.startswith("Duet") and takes_latent(node) and "LATENT" in (node.RETURN_TYPES or ())
    }
    for one, old in zip(lists, before, strict=True):
        one.clear()
        one.update(old)


def takes_latent(node) -> bool:
    inputs = node.INPUT_TYPES()
    return any(spec[0] == "LATENT" for group in ("required", "optional") for spec in inputs.get(group, {}).values())


def clip(seed: int, frames: int = FRAMES, size: int = 8) -> dict:
    return {"samples": noise((frames, 4, size, size), seed)}


def pair(seed: int = 1, frames: int = FRAMES) -> dict:
    return JoinPair.execute(clip(seed, frames), clip(seed + 1, frames))[0]


def part(start: int) -> dict:
    """F latents of a pair, cut out by the host."""
    return host.LatentFromBatch().frombatch(pair(), start, FRAMES)[0]


def call(node, *args, **inputs) -> list[dict]:
    """The first output of a node, as a list."""
    made = node()
    out = getattr(made, node.FUNCTION)(*args, **inputs)
    first = out["result"][0] if isinstance(out, dict) else out[0]
    return first if isinstance(first, list) else [first]


def conds() -> dict:
    return {"positive": conditioning(1), "negative": conditioning(2)}


# What a node gets besides its latents.
ALIKE = {
    "LatentApplyOperation": [{"operation": lambda latent: latent.tanh()}],
    "LatentBatchSeedBehavior": [{"seed_behavior": "fixed"}, {"seed_behavior": "random"}],
    "LatentCrop": [{"width": 64, "height": 64, "x": 0, "y": 0}],
    "LatentCut": [{"dim": "x", "index": 2, "amount": 3}, {"dim": "t", "index": 1, "amount": 2}],
    "LatentCutToBatch": [{"dim": "t", "slice_size": 2}],
    "LatentFlip": [{"flip_method": "x-axis: vertically"}, {"flip_method": "y-axis: horizontally"}],
    "LatentMultiply": [{"multiplier": 0.5}],
    "LatentRotate": [{"rotation": "90 degrees"}],
    "LatentUpscale": [{"upscale_method": "bilinear", "width": 96, "height": 128, "crop": "center"}],
    "LatentUpscaleBy": [{"upscale_method": "nearest-exact", "scale_by": 1.5}],
    "RepeatLatentBatch": [{"amount": 1}],
    "TrimVideoLatent": [{"trim_amount": 2}],
}
TWO = {  # (first, second, more inputs)
    "LatentAdd": ("samples1", "samples2", {}),
    "LatentBlend": ("samples1", "samples2", {"blend_factor": 0.3}),
    "LatentComposite": ("samples_to", "samples_from", {"x": 16, "y": 8, "feather": 8}),
    "LatentCompositeMasked": ("destination", "source", {"x": 16, "y": 8, "resize_source": False}),
    "LatentConcat": ("samples1", "samples2", {"dim": "x"}),
    "LatentSubtract": ("samples1", "samples2", {}),
    "ReplaceVideoLatentFrames": ("destination", "source", {"index": 0}),
}
CHANGED = {
    "LatentBatch": [(lambda: {"samples1": pair(), "samples2": pair(5)}, "got 16"),
        (lambda: {"samples1": pair(), "samples2": clip(5)}, "got 12"),
        (lambda: {"samples1": clip(5), "samples2": pair()}, "got 12"),
        (lambda: {"samples1": part(FRAMES), "samples2": part(0)}, "in their own order, got 8")],
    "LatentCutToBatch": [(lambda: {"samples": pair(), "dim": "x", "slice_size": 4}, "got 16")],
    "LatentFromBatch": [(lambda: {"samples": pair(), "batch_index": 0, "length": 6}, "got 6"),
        (lambda: {"samples": pair(), "batch_index": FRAMES, "length": FRAMES}, "got 4"),
        (lambda: {"samples": {"samples": pair()["samples"]}, "batch_index": 0, "length": 6}, "got 6"),
        (lambda: {"samples": pair(), "batch_index": 0, "length": 64}, "in their own order, got 8")],
    "RebatchLatents": [(lambda: {"latents": [pair()], "batch_size": [6]}, "got (6|2)"),
        (lambda: {"latents": [pair()], "batch_size": [FRAMES]}, "got 4"),
        (lambda: {"latents": [pair(), pair(3)], "batch_size": [64]}, "got 16")],
    "RepeatLatentBatch": [(lambda: {"samples": pair(), "amount": 2}, "got 16"),
        (lambda: {"samples": part(0), "amount": 2}, "in their own order, got 8")],
}  # fmt: skip
SAMPLERS = {"AddNoise", "KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"}
UNCHANGED = {"SaveLatent": "returns what it got", "SetLatentNoiseMask": "adds a noise mask, tested below"}
REFUSED_BY_HOST = {  # what it needs, or what it says of a pair
    "LatentInterpolate": ({"samples1": pair(), "samples2": pair(5), "ratio": 0.5}, "must match"),
    "HunyuanVideo15SuperResolution": (
        {"positive": [], "negative": [], "latent": pair(), "noise_augmentation": 0.1},
        "must match",
    ),
    "LTXVCropGuides": ({"positive": [], "negative": [], "latent": pair()}, "expected 5, got 4"),
    "NormalizeVideoLatentStart": (
        {"latent": pair(), "start_frame_count": 2, "reference_frame_count": 3},
        "out of range",
    ),
    "SeedVR2TemporalChunk": ({"latent": pair(), "temporal_overlap": 0, "chunking_mode": {}}, "expected a 5-D"),
    "SeedVR2TemporalMerge": ({"latents": [pair()], "temporal_overlap": [0]}, "expected 5-D"),
}
NEEDS = {
    "LTXVLatentUpsampler": "LTXV's upscaling model and VAE",
    "LTXVImgToVideoInplace": "the VAE of LTXV, whose latent has 5 dimensions",
    "LTXVAddGuide": "the VAE of LTXV, whose latent has 5 dimensions",
    "HunyuanVideo15LatentUpscaleWithModel": "Hunyuan's upscaling model",
    "WanSoundImageToVideoExtend": "the VAE of Wan, whose latent has 5 dimensions",
}
OTHER_MODELS = {
    "LTXVConcatAVLatent": "several latents in one, refused by its form",
    "HunyuanRefinerLatent": "a latent of 5 dimensions",
    "LTXVSeparateAVLatent": "one entry of the batch, refused by its form",
    "ResolutionBucket": "batches of a data set for training; one pair stays whole",
}


def test_every_node_of_the_host_has_an_entry(found):
    """A new one has to be tried on a pair and put where it belongs."""
    listed = set().union(ALIKE, TWO, CHANGED, SAMPLERS, UNCHANGED, REFUSED_BY_HOST, NEEDS, OTHER_MODELS)
    assert set(found) == listed


@pytest.mark.parametrize(("name", "inputs"), [(name, inputs) for name, all_ in ALIKE.items() for inputs in all_])
def test_what_changes_every_frame_alike_is_right(found, name, inputs):
    made = pair()
    (out,) = call(found[name], samples=made, **inputs)
    halves = SplitPair.execute(out).result
    for part, half in zip(SplitPair.execute(made).result, halves, strict=True):
        (alone,) = call(found[name], samples=part, **inputs)
        assert torch.allclose(half["samples"], alone["samples"]) and len(half["samples"]) == FRAMES


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("second", ["a pair", "one frame"])
def test_two_latents_of_as_many_frames_or_one_are_right(found, name, second):
    first, other, more = TWO[name]
    made, beside = pair(), pair(11) if second == "a pair" else clip(11, 1)
    (out,) = call(found[name], **{first: made, other: beside}, **more)
    if name == "ReplaceVideoLatentFrames" and second == "one frame":  # returns the dictionary of the frame
        assert len(out["samples"]) == 2 * FRAMES
    others = SplitPair.execute(beside).result if second == "a pair" else (beside, beside)
    for part, beside_part, half in zip(
        SplitPair.execute(made).result, others, SplitPair.execute(out).result, strict=True
    ):
        (alone,) = call(found[name], **{first: part, other: beside_part}, **more)
        assert torch.allclose(half["samples"], alone["samples"])


@pytest.mark.parametrize("name", ["LatentAdd", "LatentSubtract", "LatentCompositeMasked", "LatentConcat"])
def test_a_clip_beside_a_pair_serves_both_halves(found, name):
    """The host repeats the second latent along the batch: its frames come again at the depth."""
    first, other, more = TWO[name]
    made, beside = pair(), clip(11)
    (out,) = call(found[name], **{first: made, other: beside}, **more)
    for part, half in zip(SplitPair.execute(made).result, SplitPair.execute(out).result, strict=True):
        (alone,) = call(found[name], **{first: part, other: beside}, **more)
        assert torch.allclose(half["samples"], alone["samples"])


@pytest.mark.parametrize("name", ["LatentBlend", "LatentComposite", "ReplaceVideoLatentFrames"])
@pytest.mark.parametrize("second", [clip(11), pair(11, 3)], ids=["a clip", "a shorter pair"])
def test_where_the_host_does_not_repeat_it_refuses_another_count(found, name, second):
    first, other, more = TWO[name]
    with pytest.raises(RuntimeError, match="must match"):
        call(found[name], **{first: pair(), other: second}, **more)


@pytest.mark.parametrize("name", REFUSED_BY_HOST)
def test_what_the_host_refuses_itself(found, name):
    given, says = REFUSED_BY_HOST[name]
    with pytest.raises(Exception, match=says):
        call(found[name], **given)


@pytest.mark.parametrize(("name", "given", "says"), [(n, g, s) for n, cases in CHANGED.items() for g, s in cases])
def test_what_changes_the_batch_is_refused_with_both_numbers(found, name, given, says):
    model = tiny_model()
    for out in call(found[name], **given()):
        for node in (
            lambda out=out: SplitPair.execute(out),
            lambda out=out: SampleLatent.execute(model, *conds().values(), out, 0, ALL, 1, 1.0, AUTO, AUTO, 1.0),
        ):
            with pytest.raises(ValueError, match=f"latent: expected .*{says}") as refusal:
                node()
            assert CUT in str(refusal.value)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_samplers_keep_what_the_latent_was_made_as(found, name):
    model, sampler = tiny_model(), KSamplerSelect.execute("euler")[0]
    sigmas = torch.tensor([10.0, 3.0, 0.0])
    usual = {"model": model, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", **conds()}
    inputs = {
        "KSampler": {**usual, "seed": 1},
        "KSamplerAdvanced": {**usual, "noise_seed": 1, "add_noise": "enable", "start_at_step": 0, "end_at_step": 9,
                             "return_with_leftover_noise": "disable"},
        "SamplerCustom": {"model": model, "add_noise": True, "noise_seed": 1, "cfg": 1.0, "sampler": sampler,
                          "sigmas": sigmas, **conds()},
        "SamplerCustomAdvanced": {"noise": Noise_RandomNoise(1), "sampler": sampler, "sigmas": sigmas,
                                  "guider": BasicGuider.execute(model, conditioning(1))[0]},
        "AddNoise": {"model": model, "noise": Noise_RandomNoise(1), "sigmas": sigmas},
    }[name]  # fmt: skip
    (out,) = call(found[name], latent_image=pair(), **inputs)
    assert out["duet"] == pair()["duet"] and [len(half["samples"]) for half in SplitPair.execute(out)] == [FRAMES] * 2
    (cut,) = call(found["LatentFromBatch"], samples=pair(), batch_index=0, length=6)
    (out,) = call(found[name], latent_image=cut, **inputs)
    with pytest.raises(ValueError, match=r"expected 8 latents \(4 of video and 4 of depth\), got 6"):
        SplitPair.execute(out)


def test_a_pair_that_is_saved_and_loaded_splits_as_before(found, tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.get_output_directory", lambda: str(tmp_path))
    made = pair()
    (same,) = call(found["SaveLatent"], samples=made, filename_prefix="pair")
    assert same is made
    monkeypatch.setattr("folder_paths.get_annotated_filepath", lambda name: str(next(tmp_path.glob("*.latent"))))
    (loaded,) = call(host.LoadLatent, latent="pair")
    assert set(loaded) == {"samples"}
    for half, part in zip(SplitPair.execute(loaded), SplitPair.execute(made), strict=True):
        assert torch.equal(half["samples"], part["samples"])


@pytest.mark.parametrize("count", [1, FRAMES, 2 * FRAMES])
def test_a_noise_mask_that_fits_goes_with_its_half(found, count):
    mask = torch.rand(count, 64, 64, generator=torch.Generator().manual_seed(0))
    (masked,) = call(found["SetLatentNoiseMask"], samples=pair(), mask=mask)
    whole = mask.repeat(2 * FRAMES // count, 1, 1)
    for half, part in zip(SplitPair.execute(masked), whole.chunk(2), strict=True):
        assert torch.equal(half["noise_mask"][:, 0], part)


@pytest.mark.parametrize("name", OTHER_MODELS)
def test_nodes_of_other_models_leave_the_pair_whole_or_make_what_is_refused(found, name):
    given = {
        "LTXVConcatAVLatent": {"video_latent": pair(), "audio_latent": clip(3)},
        "HunyuanRefinerLatent": {**conds(), "latent": pair(), "noise_augmentation": 0.1},
        "LTXVSeparateAVLatent": {"av_latent": pair()},
        "ResolutionBucket": {"latents": [pair()], "conditioning": [[conditioning(1)] * 2 * FRAMES]},
    }[name]
    node = found[name]
    out = next(value for value in getattr(node(), node.FUNCTION)(**given).result if is_latent(value))
    (out,) = out if isinstance(out, list) else [out]
    if getattr(out["samples"], "is_nested", False) or out["samples"].ndim != 4:
        # Of videos there is a pair too, of two latents.
        with pytest.raises(
            ValueError, match="video_depth_latent: expected (a latent of pictures with 4 dim|one video and its)"
        ):
            SplitPair.execute(out)
    else:
        for half, part in zip(SplitPair.execute(out), SplitPair.execute(pair()), strict=True):
            assert torch.equal(half["samples"], part["samples"])


def is_latent(value) -> bool:
    return isinstance(value[0] if isinstance(value, list) else value, dict)
