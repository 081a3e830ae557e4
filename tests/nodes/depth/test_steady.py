"""Steady Depth on the host's own types."""

from inspect import signature

import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.nodes.depth.steady import SteadyDepth
from pack.nodes.stage.truth import flow as exact_flow

FRAMES, SIZE = 8, 64


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(21, frames=FRAMES, height=SIZE, width=SIZE, camera="still"))


def breathing(clip, seed: int = 0):
    """Inverse depth (N, H, W) of the clip with another scale and shift in every frame, from 0 to 1."""
    draw = torch.Generator().manual_seed(seed)
    scale = 0.5 + 0.4 * torch.rand(FRAMES, 1, 1, generator=draw)
    shift = 0.1 * torch.rand(FRAMES, 1, 1, generator=draw)
    near = 1 / clip.depth
    return scale * near / near.max() + shift


def pictures(depth):
    return depth[..., None].expand(-1, -1, -1, 3).contiguous()


def wobble(depth, clip):
    """How much pixels of the room change over time, of the range of depth."""
    room = (clip.layer == 0).all(0)
    return (depth.diff(dim=0).abs().mean(0)[room].mean() / (depth.quantile(0.95) - depth.quantile(0.05))).item()


def test_every_input_of_the_schema_is_one_of_execute():
    schema = SteadyDepth.GET_SCHEMA()
    assert [i.id for i in schema.inputs] == list(signature(SteadyDepth.execute).parameters)
    assert [i.id for i in schema.inputs if i.optional] == ["flow", "field_of_view", "moving_mask"]


@pytest.mark.parametrize("kind", ["near is white", "far is white", "distance", "geometry"])
def test_depth_comes_back_steady_in_the_units_and_the_type_it_came_in(clip, kind):
    near = breathing(clip)
    given = {"near is white": near, "far is white": 1 - near}.get(kind, 2 / near)
    depth = {"depth": given, "image": clip.rgb, "mode": "mono"} if kind == "geometry" else pictures(given)
    out, report = SteadyDepth.execute(clip.rgb, depth, "near is white" if kind == "geometry" else kind).result
    if kind == "geometry":
        assert out.keys() == depth.keys() and out["image"] is clip.rgb and torch.equal(depth["depth"], given)
        steady = out["depth"]
    else:
        assert out.shape == depth.shape and (out[..., :1] == out).all()
        steady = out[..., 0]
    assert steady.shape == given.shape and torch.isfinite(steady).all()
    inverse = {"near is white": steady, "far is white": 1 - steady}.get(kind, 2 / steady)
    assert wobble(near, clip) > 0.1 and wobble(inverse, clip) < 0.01
    assert 0.8 < (steady.median() / given.median()).item() < 1.25
    assert "Scale and shift were solved for 8 of 8 frames in 1 shot." in report and "7: x " in report


def test_points_of_a_geometry_move_along_their_rays(clip):
    given = 2 / breathing(clip)
    points = torch.stack((0.3 * given, -0.2 * given, given), -1)
    depth = {"depth": given.half(), "points": points, "mask": torch.ones_like(given, dtype=torch.bool)}
    out = SteadyDepth.execute(clip.rgb, depth, "near is white")[0]
    assert torch.allclose(out["points"][..., 2], out["depth"], rtol=2e-3)
    assert torch.allclose(out["points"][..., 0], 0.3 * out["depth"], rtol=2e-3)


def test_unknown_depth_stays_and_does_not_lead(clip):
    given = 2 / breathing(clip)
    sky = torch.zeros_like(given, dtype=torch.bool)
    sky[:, :12] = True
    broken = given.clone()
    broken[:, :4], broken[:, 4:8], broken[:, 8:12] = torch.nan, -3.0, torch.inf
    out, _ = SteadyDepth.execute(clip.rgb, {"depth": broken, "mask": ~sky}, "distance").result
    clean, _ = SteadyDepth.execute(clip.rgb, {"depth": given, "mask": ~sky}, "distance").result
    assert (
        out["depth"][:, :4].isnan().all() and (out["depth"][:, 4:8] == -3).all() and out["depth"][:, 8:12].isinf().all()
    )
    assert torch.allclose(out["depth"][:, 14:], clean["depth"][:, 14:], rtol=0.02)


def test_strength_leads_from_what_came_to_the_steady_depth(clip):
    given = pictures(0.5 * breathing(clip))
    results = [SteadyDepth.execute(clip.rgb, given, "near is white", strength, 0)[0] for strength in (0, 0.5, 1)]
    assert torch.allclose(results[0], given, atol=1e-6)
    assert torch.allclose(results[1], (results[0] + results[2]) / 2, atol=1e-5)


def test_a_given_flow_and_depth_of_another_size_do(clip):
    large = torch.nn.functional.interpolate(breathing(clip)[:, None], scale_factor=2, mode="bilinear")[:, 0]
    out, _ = SteadyDepth.execute(clip.rgb, pictures(large), "near is white", flow=exact_flow(clip)).result
    assert out.shape == (FRAMES, 2 * SIZE, 2 * SIZE, 3)
    assert wobble(torch.nn.functional.avg_pool2d(out[..., 0], 2), clip) < 0.01


def crowded():
    """A still room beside a large textured person that moves, with other errors of depth: pictures, depth, and their mask."""
    draw = torch.Generator().manual_seed(3)
    texture = torch.rand(2, 3, SIZE // 4, SIZE // 2, generator=draw)
    room, person = torch.nn.functional.interpolate(texture, scale_factor=4, mode="bicubic").clamp(0, 1).movedim(1, -1)
    ramp = torch.linspace(0.2, 0.6, SIZE)[:, None] + 0.1 * torch.rand(1, SIZE, generator=draw)
    mask = torch.zeros(SIZE, SIZE)
    mask[:, : round(0.6 * SIZE)] = 1
    scale = 0.5 + 0.5 * torch.rand(2, FRAMES, 1, 1, generator=draw)
    walked = torch.stack([person[:, 2 * frame : 2 * frame + SIZE] for frame in range(FRAMES)])
    images = torch.where(mask[..., None] > 0.5, walked, room[:, :SIZE])
    return images, torch.where(mask > 0.5, scale[0] * ramp, scale[1] * ramp), mask


def test_what_a_mask_says_moves_does_not_lead():
    images, depth, mask = crowded()

    def left(moving):
        steady = SteadyDepth.execute(images, pictures(depth), "near is white", 1.0, 0, moving_mask=moving)[0][..., 0]
        room = steady[:, mask < 0.5]
        return (room.diff(dim=0).abs().mean() / (room.quantile(0.95) - room.quantile(0.05))).item()

    with_mask = left(mask[None])
    assert with_mask < 0.02 < 0.1 < left(None)
    assert left(mask.expand(FRAMES, -1, -1)) == with_mask
    assert left(torch.zeros(1, SIZE, SIZE)) == left(None)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_short_clip_is_solved_as_far_as_it_can_be(clip, frames):
    given = pictures(0.5 * breathing(clip)[:frames])
    out, report = SteadyDepth.execute(clip.rgb[:frames], given, "near is white").result
    assert out.shape == given.shape
    assert ("Frame 0: unchanged" in report) == (frames == 1)
    assert torch.equal(out, given) == (frames == 1)


def test_constant_depth_stays(clip):
    given = torch.full((FRAMES, SIZE, SIZE, 3), 0.4)
    out, report = SteadyDepth.execute(clip.rgb, given, "near is white").result
    assert torch.equal(out, given) and "unchanged, as their depth is constant" in report


def test_a_frame_without_contrast_does_not_break_the_clip(clip):
    given = breathing(clip)
    given[3] = 0.4
    out, report = SteadyDepth.execute(clip.rgb, pictures(given), "near is white").result
    assert "Frame 3: unchanged" in report
    assert wobble(out[[0, 1, 2, 4, 5, 6, 7], ..., 0], clip) < 0.01


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"depth": torch.rand(4, SIZE, SIZE, 1)}, "images has 8, depth has 4"),
        ({"depth": torch.rand(FRAMES, SIZE, 2 * SIZE, 1)}, "depth: expected the shape of the images"),
        ({"depth": torch.rand(0, SIZE, SIZE, 3)}, "expected at least one frame"),
        ({"depth": torch.rand(FRAMES, SIZE, SIZE, 3)}, "expected a grey depth picture, got colours"),
        ({"depth": torch.full((FRAMES, SIZE, SIZE, 3), torch.nan)}, "expected depth in at least one pixel"),
        (
            {"depth": -torch.ones(FRAMES, SIZE, SIZE, 3), "depth_type": "distance"},
            "expected depth in at least one pixel",
        ),
        ({"depth": {"image": torch.zeros(1)}}, "expected a geometry with depth"),
        ({"flow": {"to_picture": torch.zeros(8, SIZE, SIZE, 2)}}, "got motion to a still image"),
        ({"flow": {"forward": torch.zeros(5, SIZE, SIZE, 2)}}, "which are 7 pairs, got 5"),
        ({"flow": {"forward": torch.zeros(7, SIZE, 2 * SIZE, 2)}}, "flow: expected the shape of the images"),
        ({"moving_mask": torch.ones(FRAMES, SIZE, SIZE)}, "moving_mask: expected black pixels"),
        ({"moving_mask": torch.zeros(3, SIZE, SIZE)}, "moving_mask: expected 1 or 8 masks"),
    ],
)
def test_bad_input_is_refused(clip, changes, phrase):
    with pytest.raises(ValueError, match=phrase):
        SteadyDepth.execute(
            **({"images": clip.rgb, "depth": pictures(breathing(clip)), "depth_type": "near is white"} | changes)
        )


def test_greys_stay_from_0_to_1_beside_unknown_depth(clip):
    given = breathing(clip)
    given = given / given.amax((1, 2), keepdim=True)  # as estimators do: steady, some frames are beyond 1
    given[2, 5, 5] = torch.nan
    steady = SteadyDepth.execute(clip.rgb, pictures(given), "near is white").result[0]
    known = steady[torch.isfinite(steady)]
    assert len(known) == steady.numel() - 3 and known.min() >= 0 and known.max() <= 1
