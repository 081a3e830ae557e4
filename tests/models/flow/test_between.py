"""Flow between any two frames of a clip, found when it is asked for."""

import pytest
import torch
from pack.models.flow.between import ClipMotion
from pack.models.flow.fields import Field
from pack.models.stage import render, sample_scene

SIZE = 96


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(25, frames=4, height=SIZE, width=SIZE, camera="sway", frame_rate=24.0))


def test_flow_between_frames_is_near_the_truth_where_it_is_trusted(clip):
    offset, trusted = ClipMotion(clip.rgb).flow(1, 2)
    counted = trusted & clip.forward_valid[1]
    assert counted.float().mean() > 0.5
    assert (offset - clip.forward[1]).norm(dim=-1)[counted].median() < 0.3


def test_steps_are_put_together_in_both_directions(clip):
    motion = ClipMotion(
        clip.rgb, Field(clip.forward, clip.forward_valid.float()), Field(clip.backward, clip.backward_valid.float())
    )
    there, trusted = motion.path(0, 3)
    back, _ = motion.path(3, 0)
    room = trusted & (clip.layer[0] == 0)
    direct, seen = ClipMotion(clip.rgb).flow(0, 3)
    assert (there - direct)[room & seen].norm(dim=-1).median() < 0.4
    assert (there + back)[room].norm(dim=-1).median() < 0.5
    plane, known = motion.fetched(clip.depth[3], 0, 3)
    assert (plane - clip.depth[0])[known & (clip.layer[0] == 0)].abs().median() < 0.03


def test_a_given_flow_is_taken_for_neighbours(clip):
    given = Field(torch.full((3, 48, 48, 2), 0.25), torch.ones(3, 48, 48))
    offset, _ = ClipMotion(clip.rgb, forward=given).flow(0, 1)
    assert torch.allclose(offset, torch.tensor(0.5)), "in pixels of the working size"
    assert not torch.allclose(ClipMotion(clip.rgb, forward=given).flow(1, 0)[0], torch.tensor(0.5))


def test_frames_across_a_cut_have_little_in_common(clip):
    other = render(sample_scene(26, frames=1, height=SIZE, width=SIZE))
    motion = ClipMotion(torch.cat((clip.rgb, other.rgb)))
    assert motion.in_common(2, 3) > 0.5 and motion.in_common(3, 4) < 0.2


def test_a_change_of_light_is_no_cut(clip):
    images = clip.rgb[:2].clone()
    images[1] = 0.75 * images[1] + 0.15
    assert ClipMotion(images).in_common(0, 1) > 0.5


def test_large_pictures_are_looked_at_smaller_and_planes_keep_their_size(clip):
    large = torch.nn.functional.interpolate(clip.rgb[:2].movedim(-1, 1), scale_factor=2, mode="bilinear").movedim(1, -1)
    motion = ClipMotion(large, side=SIZE)
    assert motion.size == (SIZE, SIZE)
    plane, known = motion.fetched(torch.rand(2 * SIZE, 2 * SIZE), 0, 1)
    assert plane.shape == known.shape == (2 * SIZE, 2 * SIZE)
