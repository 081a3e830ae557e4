"""Move Object in Depth and Blend Depth on the host's own types, and the strength of depth by the host's own nodes."""

from inspect import signature

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_curve import CurveEditor
from comfy_extras.nodes_custom_sampler import (
    BasicScheduler,
    CFGGuider,
    DualCFGGuider,
    Noise_RandomNoise,
    SamplerCustomAdvanced,
)
from pack.models.depth.edit import blend, move_object
from pack.nodes.depth.edit import BlendDepth, MoveObjectInDepth
from pack.nodes.oneshot.depth_channel import EncodeDepth
from tiny.model import PICTURES, conditioning, gap, latent, spied, tiny_model

import nodes as host

FRAMES = 5
CURVE = {"points": [[0, 0], [0.5, 1], [1, 0]], "interpolation": "linear"}


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def image(plane):
    return plane[..., None].repeat(1, 1, 1, 3)


def clip(frames=FRAMES, seed=0):
    return image(0.4 + 0.2 * rand(frames, 20, 30, seed=seed))


def square(frames=FRAMES):
    mask = torch.zeros(frames, 20, 30)
    mask[:, 5:14, 8:20] = 1
    return mask


def defaults(node):
    return {i.id: i.default for i in node.GET_SCHEMA().inputs if getattr(i, "default", None) is not None}


def move(depth=None, mask=None, **settings):
    depth, mask = clip() if depth is None else depth, square() if mask is None else mask
    return MoveObjectInDepth.execute(
        depth=depth, object_mask=mask, **{**defaults(MoveObjectInDepth), **settings}
    ).result


def mix(depth=None, other=None, **settings):
    depth, other = clip() if depth is None else depth, clip(seed=1) if other is None else other
    return BlendDepth.execute(depth=depth, other_depth=other, **{**defaults(BlendDepth), **settings})[0]


def means(depth, mask=None):
    return torch.stack(
        [d[m > 0.5].mean() for d, m in zip(depth[..., 0], square() if mask is None else mask, strict=True)]
    )


@pytest.mark.parametrize("node", [MoveObjectInDepth, BlendDepth])
def test_every_input_of_the_schema_is_one_of_execute(node):
    schema = node.GET_SCHEMA()
    names = list(signature(node.execute).parameters)
    assert [i.id for i in schema.inputs] == names
    assert {i.id for i in schema.inputs if i.optional} <= {"strength_curve", "motion_curve", "scene_depth", "mask"}


def test_without_a_curve_the_object_goes_evenly_from_start_to_end():
    depth, changed = move(start_grey=0.2, end_grey=0.8, occlusion="in front")
    assert torch.allclose(means(depth), torch.linspace(0.2, 0.8, FRAMES), atol=1e-6)
    assert depth.shape == (FRAMES, 20, 30, 3) and (depth[..., 0] == depth[..., 2]).all()
    assert changed.shape == (FRAMES, 20, 30) and torch.equal(changed, changed * square()) and changed[0].mean() > 0.1
    assert torch.equal(changed > 0, (depth - clip()).abs()[..., 0] > 1e-5)


def test_a_curve_of_the_host_leads_from_start_to_end():
    from comfy_api.input import CurveInput

    for curve in (CURVE, CurveInput.from_raw(CURVE), CurveEditor.execute(CURVE)[0]):
        depth, _ = move(start_grey=0.3, end_grey=0.7, occlusion="in front", motion_curve=curve)
        assert torch.allclose(means(depth), torch.tensor([0.3, 0.5, 0.7, 0.5, 0.3]), atol=1e-5)


def test_one_frame_is_the_start():
    depth, _ = move(clip(1), square(1), start_grey=0.3, end_grey=0.7, occlusion="in front")
    assert torch.allclose(means(depth, square(1)), torch.tensor([0.3]), atol=1e-6)


def test_the_relief_is_kept_by_default_and_scaled_otherwise():
    plane, there = clip()[..., 0], square() > 0
    for settings, scale in (({}, 1.0), ({"relief": 0.0}, 0.0), ({"relief": 2.0}, 2.0)):
        depth, _ = move(start_grey=0.5, end_grey=0.5, occlusion="in front", **settings)
        before, after = plane[0][there[0]], depth[0, ..., 0][there[0]]
        assert torch.allclose(after - 0.5, scale * (before - before.mean()), atol=1e-6)


def test_nodes_are_the_mathematics_with_every_option():
    depth, behind, mask = clip(), clip(seed=2), square()
    target = torch.linspace(0.1, 0.9, FRAMES)
    expected = move_object(depth[..., 0], mask, target, 0.5, 3.0, True, behind[..., 0])
    settings = {"start_grey": 0.1, "end_grey": 0.9, "relief": 0.5, "feather": 3.0, "scene_depth": behind}
    out = move(depth, mask, **settings)
    assert torch.allclose(out[0], image(expected[0]), atol=1e-6) and torch.equal(out[1], expected[1].float())
    for mode in ("mix", "nearest", "farthest"):
        amount = 0.7 * torch.tensor([0, 0.5, 1, 0.5, 0])
        expected = blend(depth[..., 0], behind[..., 0], amount, mode, mask)
        assert torch.allclose(
            mix(depth, behind, blend_mode=mode, blend_factor=0.7, strength_curve=CURVE, mask=mask),
            image(expected),
            atol=1e-5,
        )


def test_object_behind_what_stands_beside_it_is_hidden_only_if_asked():
    depth, mask = clip(), square()
    hidden, changed = move(depth, mask, start_grey=0.0, end_grey=0.0, relief=0.0)
    seen, _ = move(depth, mask, start_grey=0.0, end_grey=0.0, relief=0.0, occlusion="in front")
    assert (seen[..., 0][mask > 0] == 0).all() and (hidden[..., 0][mask > 0] >= 0.4).all() and changed.any()
    empty = image(torch.full((1, 20, 30), 0.45))
    known, _ = move(depth, mask, start_grey=0.0, end_grey=0.9, relief=0.0, scene_depth=empty)
    assert (known[0, ..., 0][mask[0] > 0] == 0.45).all() and torch.allclose(
        known[-1, ..., 0][mask[0] > 0], torch.tensor(0.9)
    )


def test_one_mask_and_a_mask_of_another_size_serve_the_clip():
    whole = move()
    assert torch.equal(move(mask=square(1))[0], whole[0]) and torch.equal(move(mask=square(1)[0])[0], whole[0])
    large = square(1).repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(move(mask=large)[0], whole[0])


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (63, 65), (1, 256)])
def test_any_length_and_size(frames, size):
    depth, mask = image(rand(frames, *size)), torch.ones(frames, *size)
    mask[..., size[1] // 2 :] = float(size[1] == 1)
    for feather in (0.0, 9.0):
        out, changed = move(depth, mask, feather=feather)
        assert out.shape == depth.shape and changed.shape == depth.shape[:3] and torch.isfinite(out).all()
    assert mix(depth, 1 - depth).shape == depth.shape


def test_inputs_are_not_written_to_and_alpha_is_dropped():
    depth, mask, other = clip(), square(), clip(seed=3)
    kept = [value.clone() for value in (depth, mask, other)]
    first = move(depth, mask, scene_depth=other, feather=2.0)[0], mix(depth, other, mask=mask)
    assert all(torch.equal(a, b) for a, b in zip((depth, mask, other), kept, strict=True))
    alpha = torch.cat((depth, rand(FRAMES, 20, 30, 1)), -1)
    assert torch.equal(move(alpha, mask, scene_depth=other, feather=2.0)[0], first[0])
    assert torch.equal(mix(alpha, other, mask=mask), first[1])


NAN = torch.full((FRAMES, 20, 30), float("nan"))


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda: move(mask=square(3)), "object_mask: expected 1 or 5 masks for 5 frames, got 3: trim or repeat them"),
        (lambda: move(mask=0 * square()), "object_mask: expected an object, got 5 masks without a pixel above 0.5"),
        (lambda: move(mask=NAN), "object_mask: expected finite numbers, got 3000 NaN"),
        (lambda: move(depth=image(NAN)), "depth: expected finite numbers"),
        (lambda: move(depth=clip() * 255), "depth: expected depth from 0 to 1, got up to"),
        (lambda: move(scene_depth=clip(3)), "depth has 5, scene_depth has 3: trim the longer ones"),
        (
            lambda: move(scene_depth=clip()[:, :10]),
            "depth is 30 x 20, scene_depth is 30 x 10: put Upscale Image in front",
        ),
        (lambda: move(scene_depth=image(NAN)), "scene_depth: expected finite numbers"),
        (lambda: move(depth=torch.rand(2, 4, 4)), "depth: expected an IMAGE batch"),
        (lambda: mix(other=clip(4)), "depth has 5, other_depth has 4: trim the longer ones"),
        (lambda: mix(other=clip()[:, :, :7]), "depth is 30 x 20, other_depth is 7 x 20: put Upscale Image in front"),
        (lambda: mix(other=rand(FRAMES, 20, 30, 3)), "other_depth: expected a grey depth picture, got colours"),
        (lambda: mix(mask=square(2)), "mask: expected 1 or 5 masks"),
        (lambda: mix(depth=image(NAN)), "depth: expected finite numbers"),
    ],
)
def test_refusals(call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call()


@pytest.fixture(scope="module")
def model():
    """A model of pictures with a depth channel."""
    return tiny_model(**PICTURES, in_channels=5)


def conditionings(mode="per clip"):
    """With depth and with the stock Empty Image in mid-grey in its place: (positive, negative) of both."""
    flat = host.EmptyImage().generate(64, 64, 1, 0x808080)[0]
    encode = lambda depth: EncodeDepth.execute(conditioning(1), conditioning(2), depth, mode).result
    return encode(image(rand(3, 64, 64))), encode(flat)


def sample(guider, steps=1):
    sigmas = BasicScheduler.execute(guider.model_patcher, "normal", steps, 1.0).result[0]
    sampler = comfy.samplers.sampler_object("euler")
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(7), guider, sampler, sigmas, latent(3)).result[0]["samples"]


def dialled(model, strength, text=3.0, steps=1):
    (deep, _), (flat, nothing) = conditionings()
    guider = DualCFGGuider.execute(model, deep, flat, nothing, strength, text, "regular").result[0]
    return sample(guider, steps)


def test_strength_of_depth_is_the_hosts_dual_guider_with_a_flat_depth(model):
    """Strength 0 is the prompt without depth, the strength of the text is plain guidance with depth, all else a line."""
    (deep, _), (flat, nothing) = conditionings()
    plain = lambda positive: sample(CFGGuider.execute(model, positive, nothing, 3.0).result[0])
    off, full = dialled(model, 0.0), dialled(model, 3.0)
    assert gap(off, plain(flat)) < 1e-5 and gap(full, plain(deep)) < 1e-5
    assert gap(off, full) > 1e-3, "depth counts"
    for strength in (0.5, 1.0, 2.2, 6.0):
        line = torch.lerp(off, full, strength / 3.0)
        assert gap(dialled(model, strength), line) < 1e-5


@pytest.mark.parametrize("mode, off", [("per clip", 0), ("per frame", 0), ("unchanged", 1 / 255)])
def test_a_stock_grey_picture_is_the_flat_depth(model, mode, off):
    seen = []
    sample(CFGGuider.execute(spied(model, [], seen.append), *conditionings(mode)[1], 3.0).result[0])
    assert seen and all((x[:, 4:].abs() <= off + 1e-6).all() for x in seen)


@pytest.mark.parametrize("release, with_depth", [(0.0, 0), (0.3, 1), (0.6, 2), (0.9, 3), (1.0, 4)])
def test_depth_is_released_at_a_percent_of_the_steps_by_the_hosts_ranges(model, release, with_depth):
    (deep, _), (flat, nothing) = conditionings()
    ranged = lambda positive, *percent: host.ConditioningSetTimestepRange().set_range(positive, *percent)[0]
    positive = host.ConditioningCombine().combine(ranged(deep, 0.0, release), ranged(flat, release, 1.0))[0]
    seen = []
    guider = CFGGuider.execute(spied(model, [], seen.append), positive, nothing, 3.0).result[0]
    sample(guider, 4)
    counts = [bool(x[:, 4:].any()) for x in seen]
    assert counts == [step < with_depth for step in range(4)]
