"""Scale and shift of every frame of a clip, against what they were degraded with."""

import pytest
import torch
from pack.models.depth.steady.apply import Steadied
from pack.models.depth.steady.approach import CameraMotion, cross
from pack.models.depth.steady.clip import plan
from pack.models.depth.steady.pairs import blurred, read
from pack.models.depth.steady.solve import closest_heights
from pack.models.depth.steady.units import Units, into_grey, units_of
from pack.models.flow.between import ClipMotion
from pack.models.stage import render, sample_scene

SIZE, FOCAL = 96, 1.07  # of the width: a field of view of 50 degrees
PIXEL = 1 / 500


def stage(seed, camera="still", frames=12):
    return render(sample_scene(seed, frames=frames, height=SIZE, width=SIZE, camera=camera))


def degraded(near, seed=0, noise=0.02):
    """Inverse depth with another scale and shift in every frame, and the scales."""
    draw = torch.Generator().manual_seed(seed)
    span = near.max() - near.min()
    scale = 0.7 + 0.7 * torch.rand(len(near), 1, 1, generator=draw)
    shift = (0.2 * torch.rand(len(near), 1, 1, generator=draw) - 0.1) * span
    return scale * near + shift + noise * span * torch.randn(near.shape, generator=draw), scale.flatten()


def solved(images, depth, **more):
    motion = ClipMotion(images)
    found = plan(depth.__getitem__, len(depth), motion, FOCAL * SIZE, **more)
    return found, motion


def steady(depth, found, motion, **more):
    steadied, out = Steadied(depth.__getitem__, found, motion, **more), torch.empty_like(depth)
    flicker = steadied.write(lambda index, frame: out[index].copy_(frame), lambda done: None)
    return out, flicker


def leftover(found, scales):
    """How unequal the scales still are after the plan, relative to their middle."""
    left = found.solution.scale * scales.double()
    return ((left - left.median()).abs().max() / left.median()).item()


def wobble(depth, clip):
    """The mean change of pixels of the room under a still camera."""
    room = (clip.layer == 0).all(0)
    return depth.diff(dim=0).abs().mean(0)[room].mean().item()


# --- the motion of the camera ------------------------------------------------------------------------------------------


def scattered(translation, turn, outliers=0.0, points=1500):
    """Rays of points in two frames, their inverse depth with noise, and their true growth."""
    draw = torch.Generator().manual_seed(1)
    ray = torch.cat((torch.rand(points, 2, generator=draw) - 0.5, torch.ones(points, 1)), 1).double()
    near = 0.1 + 0.4 * torch.rand(points, generator=draw).double()
    moved = ray @ torch.matrix_exp(cross(torch.tensor(turn))).T + near[:, None] * torch.tensor(translation).double()
    end = moved / moved[:, 2:]
    wrong = torch.rand(points, generator=draw) < outliers
    end[wrong, :2] += 0.05 + 0.02 * torch.rand(int(wrong.sum()), 2, generator=draw).double()
    return ray, end, near * (1 + 0.01 * torch.randn(points, generator=draw)), 1 / moved[:, 2], wrong


@pytest.mark.parametrize("translation", [(0.0, 0.0, -0.3), (0.2, -0.1, 0.15), (0.3, 0.0, -0.1)])
@pytest.mark.parametrize("scale, shift, bound", [(1.0, 0.0, 0.01), (5.0, 0.0, 0.01), (5.0, -0.2, 0.03)])
def test_growth_is_found_from_depth_of_any_scale(translation, scale, shift, bound):
    start, end, near, growth, _ = scattered(translation, [0.01, -0.02, 0.005])
    depth = scale * near + shift
    assert (CameraMotion(start, end, depth, PIXEL).growth(start, depth) - growth).abs().max() < bound


def test_what_moves_on_its_own_does_not_lead():
    start, end, near, growth, wrong = scattered((0.05, 0.0, -0.2), [0.0, 0.01, 0.0], outliers=0.4)
    camera = CameraMotion(start, end, near, PIXEL)
    assert (camera.growth(start, near) - growth)[~wrong].abs().max() < 1e-2
    still = camera.still(start, end, near) > 0
    assert not still[wrong].any() and still[~wrong].float().mean() > 0.95


def test_a_camera_that_only_turns_or_stays_brings_nothing_nearer_by_its_depth():
    start, end, near, growth, _ = scattered((0.0, 0.0, 0.0), [0.01, -0.03, 0.0])
    camera = CameraMotion(start, end, near, PIXEL)
    assert len(camera.motion) == 3 and (camera.growth(start, near) - growth).abs().max() < 1e-4
    assert (CameraMotion(start, start, near, PIXEL).growth(start, near) - 1).abs().max() < 1e-9


# --- heights and scales ------------------------------------------------------------------------------------------------


def test_heights_of_a_long_chain_equal_the_direct_solution():
    draw = torch.Generator().manual_seed(0)
    first = torch.cat((torch.arange(199), torch.arange(0, 180, 16)))
    second = torch.cat((torch.arange(1, 200), torch.arange(0, 180, 16) + 16))
    difference = torch.randn(len(first), generator=draw).double()
    weight = 0.1 + torch.rand(len(first), generator=draw).double()
    found = closest_heights(first, second, difference, weight, torch.zeros(200, dtype=torch.float64))
    matrix = torch.zeros(len(first), 200, dtype=torch.float64)
    matrix[torch.arange(len(first)), second], matrix[torch.arange(len(first)), first] = 1, -1
    direct = torch.linalg.lstsq(weight.sqrt()[:, None] * matrix, weight.sqrt() * difference, driver="gelsd").solution
    assert torch.allclose(found - found.mean(), direct - direct.mean(), atol=1e-6)


@pytest.mark.parametrize("camera", ["still", "sway", "dolly", "orbit"])
def test_scales_of_a_degraded_clip_are_found(camera):
    clip = stage(31, camera)
    depth, scales = degraded(1 / clip.depth)
    found, _ = solved(clip.rgb, depth)
    assert leftover(found, scales) < (0.03 if camera == "still" else 0.1)
    assert not found.cuts and not found.matched and not found.unsolved
    assert abs(found.solution.scale.log().median().item()) < 1e-6, "half of the frames grow, half shrink"


def test_a_steady_clip_stays():
    clip = stage(32, "dolly")
    found, _ = solved(clip.rgb, 1 / clip.depth)
    assert (found.solution.scale - 1).abs().max() < 0.04


def test_noise_does_not_shrink_depth_over_many_frames():
    """40 frames of one picture with much noise: a fit of one noisy frame to another would lose a percent each time."""
    clip = stage(33, frames=1)
    depth, scales = degraded((1 / clip.depth).expand(40, -1, -1), noise=0.08)
    found, _ = solved(clip.rgb.expand(40, -1, -1, -1), depth)
    left = found.solution.scale * scales.double()
    assert abs(left[-5:].mean() / left[:5].mean() - 1) < 0.03
    assert leftover(found, scales) < 0.03


def test_smoothing_takes_noise_away_and_keeps_edges():
    clip = stage(34)
    depth, _ = degraded(1 / clip.depth)
    found, motion = solved(clip.rgb, depth)
    plain, smooth = (steady(depth, found, motion, radius=radius)[0] for radius in (0, 2))
    assert wobble(plain, clip) < 0.35 * wobble(depth, clip) and wobble(smooth, clip) < 0.5 * wobble(plain, clip)
    moving = (clip.layer == 1) & (clip.layer.roll(1, 0) != 1)
    assert (smooth - plain)[moving].abs().mean() < 0.03 * (plain.max() - plain.min())


def test_flicker_is_reported_as_it_is():
    clip = stage(40)
    depth, _ = degraded(1 / clip.depth, noise=0.0)
    found, motion = solved(clip.rgb, depth)
    out, (before, after) = steady(depth, found, motion)
    assert after < 0.05 * before
    assert 0.5 < before / wobble(depth, clip) < 2


def test_strength_is_a_share_of_the_change():
    clip = stage(36, frames=4)
    depth, _ = degraded(1 / clip.depth)
    found, motion = solved(clip.rgb, depth)
    none, half, whole = (steady(depth, found, motion, strength=strength)[0] for strength in (0.0, 0.5, 1.0))
    assert torch.equal(none, depth) and torch.allclose(half, (none + whole) / 2, atol=1e-6)


# --- cuts and frames that fail -----------------------------------------------------------------------------------------


def test_shots_are_solved_alone():
    first, second = stage(37, frames=7), stage(38, "sway", frames=8)
    near = torch.cat((1 / first.depth, 1 / second.depth))
    depth, scales = degraded(near)
    found, _ = solved(torch.cat((first.rgb, second.rgb)), depth)
    assert found.cuts == [7] and found.shots == [range(7), range(7, 15)]
    left = found.solution.scale * scales.double()
    for part in (left[:7], left[7:]):
        assert ((part - part.median()) / part.median()).abs().max() < 0.06


def test_a_white_frame_is_no_cut_and_follows_its_neighbours():
    clip = stage(39)
    depth, scales = degraded(1 / clip.depth)
    images = clip.rgb.clone()
    images[5] = 1.0
    found, _ = solved(images, depth)
    assert not found.cuts and found.matched == [5]
    assert leftover(found, scales) < 0.1, "by its median and its contrast"


def test_frames_of_nan_or_of_one_depth_stay_and_the_others_are_solved():
    clip = stage(40)
    depth, scales = degraded(1 / clip.depth)
    depth[4], depth[7] = torch.nan, 0.3
    found, motion = solved(clip.rgb, depth)
    assert not found.cuts and found.matched == [] and found.unsolved == [4, 7]
    assert found.solution.scale[4] == found.solution.scale[7] == 1
    others = [index for index in range(12) if index not in (4, 7)]
    left = (found.solution.scale * scales.double())[others]
    assert ((left - left.median()) / left.median()).abs().max() < 0.02
    out, _ = steady(depth, found, motion, radius=2)
    assert out[4].isnan().all() and out[others].isfinite().all()


def test_cancel_is_heard():
    def stop(done):
        if done == 3:
            raise InterruptedError

    clip = stage(41, frames=4)
    with pytest.raises(InterruptedError):
        solved(clip.rgb, 1 / clip.depth, report=stop)


# --- units and planes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth_type", ["near is white", "far is white", "distance"])
def test_units_come_back(depth_type):
    depth = torch.tensor([[0.5, 1.0, 2.0], [torch.nan, torch.inf, 4.0]])
    units = units_of(depth[None], depth_type)
    inverse = units.inverse(depth)
    assert torch.equal(inverse.isfinite(), depth.isfinite())
    assert torch.allclose(units.back(inverse, depth), depth, equal_nan=True)


def test_distances_end_at_twice_the_farthest_and_zero_is_unknown():
    units = Units("distance", farthest=10.0)
    given = torch.tensor([[0.0, -1.0, 5.0]])
    assert units.inverse(given).isnan().tolist() == [[True, True, False]]
    assert units.back(torch.tensor([[torch.nan, -0.5, 0.1]]), given).tolist() == [[0.0, 20.0, 10.0]]
    with pytest.raises(ValueError, match="Expected one of"):
        Units("meters")


def test_greys_that_left_0_to_1_come_back_together():
    pictures = torch.linspace(-0.5, 1.5, 4000).view(2, 40, 50)
    kept = pictures.clone()
    scale, shift = into_grey(pictures)
    assert pictures.min() == 0 and pictures.max() == 1 and scale == pytest.approx(0.5, abs=0.01)
    assert torch.allclose(pictures, (scale * kept + shift).clamp(0, 1))
    inside = torch.rand(2, 8, 8)
    assert into_grey(inside) == (1.0, 0.0)


def test_planes_are_read_between_their_pixels():
    plane = torch.arange(12.0).view(3, 4)
    points = torch.tensor([[0.0, 0.0], [1.5, 0.5], [3.0, 2.0], [3.1, 0.0], [0.0, -0.1]])
    assert torch.equal(read(plane, points).nan_to_num(-1), torch.tensor([0.0, 3.5, 11.0, -1.0, -1.0]))


def test_blurring_leaves_out_what_is_not_known():
    plane = torch.full((20, 20), 2.0)
    plane[:, 12:] = torch.nan
    out = blurred(plane, (10, 10))
    assert (out[:, :6] == 2).all() and out[:, 8:].isnan().all()
