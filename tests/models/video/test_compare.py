"""Two pictures in one, pixel by pixel."""

import pytest
import torch
from pack.models.video import compare


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_a_picture_of_the_same_size_stays_as_it_is():
    picture = rand(9, 12, 3)
    assert compare.fit(picture, (9, 12)) is picture


@pytest.mark.parametrize(
    ("size", "outer", "inner"),
    [
        ((10, 20), (20, 40), (20, 40)),
        ((10, 20), (20, 30), (15, 30)),
        ((40, 10), (20, 30), (20, 5)),
        ((1, 999), (8, 8), (1, 8)),
    ],
)
def test_a_picture_is_fitted_without_distortion_between_black_borders(size, outer, inner):
    out = compare.fit(torch.ones(*size, 3), outer)
    rows, columns = out[..., 0].nonzero().unbind(-1)
    assert compare.inner_size(size, outer) == inner and out.shape == (*outer, 3)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == inner
    assert abs(int(rows.min()) - (outer[0] - 1 - int(rows.max()))) <= 1
    assert abs(int(columns.min()) - (outer[1] - 1 - int(columns.max()))) <= 1


def test_a_smaller_picture_is_the_mean_of_the_large_one():
    picture = rand(64, 64, 3)
    assert (compare.fit(picture, (8, 8)).mean((0, 1)) - picture.mean((0, 1))).abs().max() < 0.02


# --- wipe ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [0.0, 0.25, 0.5, 0.97, 1.0, -3.0, 7.0])
@pytest.mark.parametrize("direction", ["left to right", "top to bottom"])
def test_a_wipe_has_the_first_picture_before_the_line_and_the_other_beyond(direction, position):
    first, other = 0.2 * rand(32, 40, 3), 0.2 * rand(32, 40, 3, seed=1)
    out = compare.wipe(first, other, position, direction)
    if direction == "top to bottom":
        first, other, out = (one.transpose(0, 1) for one in (first, other, out))
    border = round(min(max(position, 0), 1) * out.shape[1])
    line = compare.LINE // 2 if 0 < border < out.shape[1] else 0
    assert torch.equal(out[:, : border - line], first[:, : border - line])
    assert torch.equal(out[:, border + line :], other[:, border + line :])
    assert (out[:, border - line : border + line] == 1).all()


def test_a_wipe_leaves_its_pictures_alone():
    first, other = torch.zeros(8, 8, 3), torch.zeros(8, 8, 3)
    compare.wipe(first, other, 0.5, "left to right")
    assert not first.any() and not other.any()


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="Expected one of left to right, top to bottom, got 'up'"):
        compare.wipe(rand(8, 8, 3), rand(8, 8, 3), 0.5, "up")


# --- edges of depth and errors ---------------------------------------------------------------------------------------


def test_an_edge_lies_on_both_sides_of_a_jump_alone():
    depth = torch.zeros(12, 16)
    depth[:, 8:] = 0.5
    found = compare.edges(depth, 0.1)
    assert (found[:, 7:9] == 1).all() and not found[:, :7].any() and not found[:, 9:].any()


def test_an_edge_grows_from_the_threshold_to_twice_as_much():
    depth = torch.zeros(5, 9)
    depth[:, 3:] = 0.1
    assert not compare.edges(depth, 0.1).any()
    assert compare.edges(depth, 0.08).max() == pytest.approx(0.25)
    assert compare.edges(depth, 0.05).max() == pytest.approx(1.0)
    assert not compare.edges(torch.linspace(0, 1, 100).expand(5, 100), 0.05).any(), "a slope is no edge"


def test_edges_are_drawn_in_their_colour_and_the_rest_stays():
    picture, depth = rand(12, 16, 3), torch.zeros(12, 16, 3)
    depth[:, 8:] = 1.0
    out = compare.draw_edges(picture, depth, 0.1, (1.0, 0.5, 0.0))
    assert torch.equal(out[:, :7], picture[:, :7]) and torch.equal(out[:, 9:], picture[:, 9:])
    assert torch.allclose(out[:, 7:9], torch.tensor([1.0, 0.5, 0.0]))


def test_the_error_of_equal_pictures_is_black():
    picture = rand(8, 8, 3)
    assert not compare.error(picture, picture, 100.0).any()
    assert torch.allclose(compare.error(picture, picture + 0.1, 4.0), torch.tensor(0.4), atol=1e-5)
    assert compare.error(picture, picture - 1, 4.0).max() == 1


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bottom", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_a_label_is_white_on_black_in_its_corner(right, bottom):
    picture = torch.full((120, 200, 3), 0.5)
    label = compare.label_mask("Depth", (120, 200))
    out = compare.labelled(picture, label, right, bottom)
    height, width = label[0].shape
    box = out[-height:] if bottom else out[:height]
    box = box[:, -width:] if right else box[:, :width]
    assert box.max() > 0.9 and box.min() < 0.1 and (picture == 0.5).all()
    box.fill_(0.5)
    assert (out == 0.5).all()


@pytest.mark.parametrize("size", [(1, 1), (8, 500), (500, 8)])
def test_a_label_that_is_too_long_is_cut_off(size):
    label = compare.label_mask("W" * 60, size)
    out = compare.labelled(torch.full((*size, 3), 0.5), label, True, True)
    assert out.shape == (*size, 3) and 0 <= out.min() and out.max() <= 1
