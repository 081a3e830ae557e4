"""Holes filled from the scene and from the background beside them."""

import pytest
import torch
from pack.models.view.fill import beside, farthest_over_time, from_scene, stretched, uncovered
from pack.models.view.reproject import View, reproject
from pack.models.view.stereo import eye_lens
from pack.models.view.surface import largest_around

RED, GREEN, BLUE = torch.eye(3)


def view_of(size=(12, 20)):
    """A red card between a green wall on the right and a hole on its right side."""
    picture, depth = GREEN.expand(*size, 3).clone(), torch.full(size, 6.0)
    picture[:, :8], depth[:, :8] = RED, 2.0
    holes = torch.zeros(size, dtype=torch.bool)
    holes[2:10, 8:12] = True
    picture[holes], depth[holes] = 0.0, torch.nan
    return View(picture, depth, holes)


def test_the_background_is_continued_and_never_what_is_in_front():
    view = view_of()
    filled = stretched(view)
    torch.testing.assert_close(filled.picture[view.holes], GREEN.expand(32, 3))
    assert (filled.depth[view.holes] == 6).all() and torch.equal(filled.holes, view.holes)
    assert torch.equal(filled.picture[~view.holes], view.picture[~view.holes])


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_the_next_known_pixels_are_those_that_a_search_finds(share):
    """Masks of all densities, so that runs begin and end at borders and whole lines are unknown."""
    known = torch.rand(13, 17, generator=torch.Generator().manual_seed(7)) < share
    known[4] = False
    ys, xs = (~known).nonzero(as_tuple=True)
    ys, xs = ys[::2], xs[::2]
    places, steps = beside(known, ys, xs)
    for index, (y, x) in enumerate(zip(ys.tolist(), xs.tolist(), strict=True)):
        for way, (down, right) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
            count, row, column = 1, y + down, x + right
            while 0 <= row < 13 and 0 <= column < 17 and not known[row, column]:
                count, row, column = count + 1, row + down, column + right
            found = 0 <= row < 13 and 0 <= column < 17
            assert steps[way, index] == (count if found else 0)
            assert places[way, index] == (row * 17 + column if found else 0)


@pytest.mark.parametrize("reach", [0, 1, 3, 9])
def test_the_largest_value_around(reach):
    values = torch.randn(11, 14, generator=torch.Generator().manual_seed(2))
    square = torch.nn.functional.max_pool2d(values[None, None], 2 * reach + 1, 1, reach)[0, 0]
    assert torch.equal(largest_around(values, reach), square)


def test_a_part_of_the_holes_can_stay():
    view, inside = view_of(), torch.zeros(12, 20, dtype=torch.bool)
    inside[:5] = True
    filled = stretched(view, inside)
    assert not filled.picture[view.holes & ~inside].any()
    torch.testing.assert_close(filled.picture[2:5, 8:12], GREEN.expand(3, 4, 3))


def test_a_picture_that_is_all_hole_or_none_stays():
    whole = View(torch.zeros(4, 5, 3), torch.full((4, 5), torch.nan), torch.ones(4, 5, dtype=torch.bool))
    assert torch.equal(stretched(whole).picture, whole.picture)
    full = View(torch.rand(4, 5, 3), torch.ones(4, 5), torch.zeros(4, 5, dtype=torch.bool))
    assert stretched(full) is full


def test_the_scene_shows_in_holes_only():
    view = view_of()
    scene = View(BLUE.expand(12, 20, 3), torch.full((12, 20), 6.0), torch.zeros(12, 20, dtype=torch.bool))
    scene.holes[2:4] = True
    filled = from_scene(view, scene)
    assert torch.equal(filled.holes, view.holes & scene.holes) and int(filled.holes.sum()) == 8
    assert torch.equal(filled.picture[4:10, 8:12], BLUE.expand(6, 4, 3))
    assert torch.equal(filled.picture[~view.holes], view.picture[~view.holes])


def test_other_frames_uncover_what_a_moving_card_hides():
    """A card that moves over a patterned wall: the farthest pixel over time is the wall, and the hole shows it."""
    wall = torch.rand(16, 40, 3, generator=torch.Generator().manual_seed(1))
    frames = []
    for left in (5, 22):
        picture, depth = wall.clone(), torch.full((16, 40), 6.0)
        picture[4:12, left : left + 8], depth[4:12, left : left + 8] = RED, 2.0
        frames.append((picture, depth))
    scene, scene_depth = farthest_over_time(iter(frames), lambda: None)
    assert torch.equal(scene, wall) and (scene_depth == 6).all()
    lens = eye_lens(0.2, 30.0, (16, 40), 6.0)
    view = reproject(*frames[0], lens)
    filled = from_scene(view, reproject(scene, scene_depth, lens))
    left = filled.holes
    assert view.holes[:, :36].any() and not left[:, :36].any()
    torch.testing.assert_close(filled.picture[view.holes & ~left], wall[view.holes & ~left], atol=1e-3, rtol=0)


def test_background_mixed_with_what_was_in_front_becomes_part_of_the_hole():
    """The pixel beside a card is half red, as a smooth edge is; where the edge opens it must not stay."""
    picture, depth = GREEN.expand(16, 40, 3).clone(), torch.full((16, 40), 6.0)
    picture[:, 10:20], depth[:, 10:20] = RED, 2.0
    picture[:, 9] = picture[:, 20] = (RED + GREEN) / 2
    lens = eye_lens(0.2, 30.0, (16, 40), 6.0)
    plain, trimmed = reproject(picture, depth, lens), uncovered(picture, depth, lens, 1)
    mixed = lambda view: ((view.picture - (RED + GREEN) / 2).abs().amax(-1) < 0.1) & ~view.holes
    assert mixed(plain)[:, 18:].any() and not mixed(trimmed)[:, 18:].any()
    assert trimmed.holes[8].sum() == plain.holes[8].sum() + 1
    still = uncovered(picture, depth, eye_lens(0.0, 30.0, (16, 40), 6.0), 1)
    assert not still.holes.any(), "nothing opens, so nothing is trimmed"
