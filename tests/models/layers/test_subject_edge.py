"""A subject cut out without a rim of what was behind it."""

import pytest
import torch
from pack.models.layers.subject_edge import Cutout, cut_out, grow, shrink, soften

HIGH, WIDE = 60, 80
RED, GREEN = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def disc(radius=20.0):
    """The coverage of a round subject, its edge one pixel wide."""
    y, x = torch.meshgrid(torch.arange(HIGH) - 30.0, torch.arange(WIDE) - 40.0, indexing="ij")
    return (radius + 0.5 - (x.square() + y.square()).sqrt()).clamp(0, 1)


def over(mask, subject, behind):
    return torch.lerp(behind.expand(HIGH, WIDE, 3), subject.expand(HIGH, WIDE, 3), mask[..., None])


@pytest.mark.parametrize("feather", [0.0, 6.0])
def test_no_colour_of_the_background_is_left(feather):
    mask = disc()
    colours, weight = cut_out(over(mask, RED, GREEN), Cutout(mask, feather, 2))
    assert torch.equal(colours[weight > 0], RED.expand(int((weight > 0).sum()), 3))
    pasted = torch.lerp(torch.zeros(HIGH, WIDE, 3), colours, weight[..., None])
    assert pasted[..., 1].max() == 0


def test_without_defringing_the_rim_of_the_background_shows():
    mask = disc()
    colours, weight = cut_out(over(mask, RED, GREEN), Cutout(mask))
    assert (colours * weight[..., None])[..., 1].max() > 0.1
    assert torch.equal(weight, mask)


def test_the_edge_fades_over_so_many_pixels():
    mask = torch.zeros(HIGH, WIDE)
    mask[:, 40:] = 1
    row = soften(mask, 4)[30]
    assert torch.allclose(row[37:43], torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), atol=1e-6)
    assert row[:38].max() == 0 and row[42:].min() == 1
    assert torch.equal(soften(mask, 0), mask)
    assert torch.allclose(soften(torch.ones(4, 4), 20), torch.ones(4, 4)), "the picture's border does not fade"


def test_thin_parts_keep_their_place_and_get_the_nearest_colour():
    mask = torch.zeros(HIGH, WIDE)
    mask[10:40, 10:40], mask[24:26, 40:60] = 1, 1
    colours, weight = cut_out(over(mask, RED, GREEN), Cutout(mask, 0, 3))
    assert torch.equal(weight, mask) and torch.equal(colours[25, 55], RED)


def test_a_subject_thinner_than_the_rim_and_none_at_all():
    line = torch.zeros(HIGH, WIDE)
    line[:, 40] = 1
    colours, weight = cut_out(over(line, RED, GREEN), Cutout(line, 0, 4))
    assert torch.equal(colours[30, 40], RED) and torch.equal(weight, line)
    assert cut_out(over(line, RED, GREEN), Cutout(torch.zeros(8, 8)))[1].max() == 0


def test_shrinking_leaves_the_border_of_the_picture():
    inside = torch.zeros(10, 10, dtype=torch.bool)
    inside[:, :5] = True
    assert torch.equal(shrink(inside, 2).nonzero()[:, 1].unique(), torch.arange(3))
    assert shrink(inside, 2).any(1).all()
    assert torch.equal(grow(inside, 2).nonzero()[:, 1].unique(), torch.arange(7))
    assert torch.equal(shrink(inside, 0), inside)
