"""Flow from every frame to one picture, against the exact flow of the stage over the same distance."""

import pytest
import torch
from pack.models.flow.chained import chained_to_still, colour_error, joined, most_alike
from pack.models.flow.estimate import consistent, dis_flow
from pack.models.flow.warp import arrives, relative_motion, rigid_flow
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import Nuisances, add_nuisances, exposure_gains

FRAMES = 10


@pytest.fixture(scope="module")
def stage():
    """A person who walks; each frame moves by several pixels, so that the last ones are far from the first."""
    return render(
        sample_scene(11, frames=FRAMES, height=160, width=160, frame_rate=12, action="walk", objects=0, camera="sway")
    )


def exact(clip, picture=0):
    """The true flow from every frame to one of them (N, H, W, 2), and where its point is visible there, (N, H, W)."""
    poses, camera = clip.actors.poses(clip.camera), clip.camera
    count = clip.scene.frames
    motion = relative_motion(poses, poses[picture : picture + 1].expand_as(poses))
    flow, depth = rigid_flow(clip.depth, clip.owner.long(), motion, camera)
    there = lambda part: part[picture : picture + 1].expand(count, -1, -1)
    return flow, arrives(flow, depth, clip.layer, there(clip.layer), there(clip.depth))


@pytest.fixture(scope="module")
def chained(stage):
    return chained_to_still(stage.rgb[0], stage.rgb)


def single(picture, images):
    """Each frame by itself, as one estimate there and back."""
    there = torch.stack([dis_flow(frame, picture) for frame in images])
    back = torch.stack([dis_flow(picture, frame) for frame in images])
    return there, consistent(there, back).float()


def test_the_exact_flow_of_the_tests_is_that_of_the_stage(stage):
    flow, visible = exact(stage)
    assert torch.allclose(flow[1], stage.backward[0], atol=1e-4) and flow[0].abs().max() < 1e-4
    assert torch.equal(visible[1], stage.backward_valid[0])


def test_trust_lasts_over_the_distance(stage, chained):
    """On the person, whose point is still visible in the first frame."""
    _, visible = exact(stage)
    here = visible & (stage.layer == 1)
    share = lambda valid, i: valid[i][here[i]].mean().item()
    alone = single(stage.rgb[0], stage.rgb)[1]
    last = range(FRAMES - 3, FRAMES)
    assert sum(share(chained[1], i) for i in last) > 1.3 * sum(share(alone, i) for i in last)
    assert share(chained[1], FRAMES - 1) > 0.6


def test_what_is_trusted_is_near_the_exact_flow(stage, chained):
    flow, visible = exact(stage)
    away = (chained[0] - flow).norm(dim=-1)
    person = (stage.layer == 1) & visible
    trusted = chained[1] > 0
    assert away[trusted & visible].median() < 0.5
    assert away[trusted & person].mean() < away[person].mean()
    assert (away[trusted & person] < 2).float().mean() > 0.8


def test_points_that_are_hidden_in_the_picture_are_trusted_less(stage, chained):
    _, visible = exact(stage)
    assert chained[1][~visible].mean() < chained[1][visible].mean() - 0.3


def test_the_picture_may_be_any_frame_and_is_found(stage):
    middle = FRAMES // 2
    assert most_alike(stage.rgb[middle], stage.rgb) == middle
    flow, valid = chained_to_still(stage.rgb[middle], stage.rgb)
    assert flow[middle].abs().max() < 0.1 and valid[middle].mean() > 0.99
    true, visible = exact(stage, middle)
    good = (valid > 0) & visible
    assert (flow - true).norm(dim=-1)[good].median() < 0.5
    assert valid[0][visible[0]].mean() > 0.6 and valid[-1][visible[-1]].mean() > 0.6


def test_noise_shake_and_a_step_of_exposure_leave_most_of_it(stage):
    nuisances = Nuisances(noise=0.015, exposure=0.15, shake=0.5)
    images = add_nuisances(stage.rgb, nuisances, 3)
    assert exposure_gains(FRAMES, nuisances, 3)[-1] < 0.9
    flow, valid = chained_to_still(images[0], images)
    true, visible = exact(stage)
    assert valid[-1][visible[-1]].mean() > single(images[0], images)[1][-1][visible[-1]].mean() + 0.05
    assert (flow - true).norm(dim=-1)[(valid > 0) & visible].median() < 1  # the shake itself is half a pixel


def test_a_cut_is_not_trusted_and_both_sides_keep_what_they_have(stage):
    other = render(sample_scene(4, frames=3, height=160, width=160, action="wave", objects=0)).rgb
    images = torch.cat((stage.rgb[:4], other))
    valid = chained_to_still(images[0], images)[1].mean((1, 2))
    assert valid[:4].min() > 0.7 and valid[4:].max() < 0.5


def test_frames_in_disorder_are_compared_with_the_picture_directly():
    """A set of pictures whose neighbours have nothing in common: two of them show what the picture does."""
    one, other = (render(sample_scene(seed, frames=2, height=96, width=96, objects=0)).rgb for seed in (3, 8))
    images = torch.stack((one[0], other[0], one[1]))
    valid = chained_to_still(one[0], images)[1].mean((1, 2))
    assert valid[0] > 0.95 and valid[1] < 0.5 and valid[2] > 0.6


def test_flows_are_joined_at_the_place_where_the_first_one_ends():
    first, second = torch.zeros(8, 8, 2), torch.zeros(8, 8, 2)
    first[..., 0], second[:, 5, 1] = 2, 3
    both = joined(first, second)
    assert both[4, 3].tolist() == [2, 3] and both[4, 2].tolist() == [2, 0]


def test_a_change_of_the_whole_light_is_no_error():
    picture = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0)) / 2
    still = torch.zeros(16, 16, 2)
    assert colour_error(still, picture, picture + 0.2).max() < 1e-6
    changed = picture.clone()
    changed[4:9, 4:9] += 0.3
    assert colour_error(still, picture, changed)[6, 6] == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (31, 33)])
def test_any_size_one_frame_and_progress(size):
    clip = torch.rand(3, *size, 3, generator=torch.Generator().manual_seed(0))
    reports = []
    flow, valid = chained_to_still(clip[1], clip, reports.append)
    assert flow.shape == (3, *size, 2) and valid.shape == (3, *size) and flow.isfinite().all()
    assert reports[-1] == 3 and reports == sorted(reports)
    alone = chained_to_still(clip[0], clip[:1])
    assert alone[0].shape == (1, *size, 2) and alone[1].mean() > 0.9
