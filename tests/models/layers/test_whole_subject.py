"""The whole subject while something passes in front of it."""

import pytest
import torch
from pack.models.layers.crop import Framing, plan_crop
from pack.models.layers.whole_subject import measure_visible, visible_box, whole_bounds

FRAMES, HIGH, WIDE = 24, 90, 160
TRUNK = slice(70, 92)


def walker(index):
    """A person of 16 x 60 pixels who walks from left to right."""
    mask = torch.zeros(HIGH, WIDE)
    mask[15:75, 8 + 6 * index : 24 + 6 * index] = 1
    return mask


def behind_trunk():
    whole = torch.stack([walker(index) for index in range(FRAMES)])
    trunk = torch.zeros(HIGH, WIDE)
    trunk[:, TRUNK] = 1
    return whole, whole * (1 - trunk), trunk.expand(FRAMES, HIGH, WIDE)


def seen_by(visible, front):
    return measure_visible(lambda i: visible[i], None if front is None else lambda i: front[i], len(visible))


def test_a_person_behind_a_trunk_keeps_place_and_size():
    whole, visible, front = behind_trunk()
    assert any(not mask.any() for mask in visible), "in some frames nothing is visible"
    found = whole_bounds(seen_by(visible, front))
    true = torch.stack([visible_box(mask > 0.5) for mask in whole])
    assert torch.allclose(found, true, atol=1.01)


def test_without_what_is_in_front_the_person_shrinks_as_before():
    _, visible, _ = behind_trunk()
    seen = seen_by(visible, None)
    assert not seen.hidden.any()
    widths = seen.bounds[:, 2] - seen.bounds[:, 0]
    assert widths[torch.isfinite(widths)].min() < 16


def test_legs_behind_a_wall_count_but_what_is_elsewhere_does_not():
    whole = torch.stack([walker(index) for index in range(FRAMES)])
    wall = torch.zeros(HIGH, WIDE)
    wall[50:, 60:120] = 1
    wall[:10] = 1  # a branch that touches no one
    visible = whole * (1 - wall)
    found = whole_bounds(seen_by(visible, wall.expand(FRAMES, HIGH, WIDE)))
    assert torch.allclose(found[:, 3], torch.full((FRAMES,), 75.0), atol=1)
    assert torch.equal(found[:, 1], torch.full((FRAMES,), 15.0))


def test_a_person_who_is_hidden_in_every_frame_is_as_large_as_the_visible_part():
    mask, front = torch.zeros(3, HIGH, WIDE), torch.zeros(3, HIGH, WIDE)
    mask[:, 20:50, 30:50], front[:, 50:] = 1, 1
    seen = seen_by(mask, front)
    assert not seen.whole(1).any() and seen.whole(0).all()
    assert torch.equal(whole_bounds(seen), torch.tensor([[30.0, 20.0, 50.0, 50.0]]).expand(3, 4))


def test_the_box_neither_shrinks_nor_begins_a_new_clip_behind_a_trunk():
    whole, visible, front = behind_trunk()
    framing = Framing(padding=0.1, smoothing_frames=5)
    of = lambda masks, hidden=None: plan_crop(
        lambda i: masks[i], FRAMES, (HIGH, WIDE), framing, None if hidden is None else lambda i: hidden[i]
    )
    assert len(of(visible).clips) > 1, "without the mask of the trunk the person seems to shrink"
    mended, true = of(visible, front), of(whole)
    assert len(mended.clips) == len(true.clips) == 1
    assert (mended.clips[0].boxes - true.clips[0].boxes).abs().max() <= 8


def test_empty_masks_are_refused():
    with pytest.raises(ValueError, match="only empty masks"):
        seen_by(torch.zeros(2, 8, 8), torch.ones(2, 8, 8))
