"""A character in the size and the place of a person."""

import pytest
import torch
from pack.models.layers.whole_subject import visible_box
from pack.models.swap.person import Place
from pack.models.swap.reference import check_character, fit_character

BLUE, GREEN = torch.tensor([0.1, 0.2, 0.9]), torch.tensor([0.1, 0.9, 0.1])


def character(high=400, wide=300, tall=300, broad=90):
    """A blue figure in front of green, with the feet 20 pixels above the lower border."""
    mask = torch.zeros(high, wide)
    mask[high - 20 - tall : high - 20, wide // 2 - broad // 2 : wide // 2 + broad // 2] = 1
    return torch.lerp(GREEN.expand(high, wide, 3), BLUE.expand(3), mask[..., None]), mask


def place(top, bottom, middle=100.0):
    return Place(0, (middle - 20, float(top), middle + 20, float(bottom)), middle, "wholly visible")


@pytest.mark.parametrize("size", [(240, 180), (180, 320), (480, 270)])
@pytest.mark.parametrize("tall", [90, 150])
def test_height_and_feet_are_those_of_the_person(size, tall):
    wanted = place(165 - tall, 165)
    fitted = fit_character(*character(), wanted, size)
    left, top, right, bottom = visible_box(fitted.mask > 0.5).tolist()
    assert fitted.picture.shape == (*size, 3) and fitted.mask.shape == size
    assert bottom - top == pytest.approx(tall, rel=0.02)
    assert bottom == pytest.approx(165, abs=1.5)
    assert (left + right) / 2 == pytest.approx(100, abs=1.5)
    assert fitted.height == 300 and fitted.scale == pytest.approx(tall / 300)


def test_a_small_picture_is_enlarged():
    fitted = fit_character(*character(100, 80, 60, 20), place(20, 260), (300, 200))
    _, top, _, bottom = visible_box(fitted.mask > 0.5).tolist()
    assert bottom - top == pytest.approx(240, rel=0.02)


def test_nothing_of_its_own_background_is_left_in_front_of_another():
    fitted = fit_character(*character(), place(45, 165), (240, 180))
    over = fitted.over(torch.zeros(240, 180, 3))
    assert (over[..., 1] <= over[..., 2] * 0.2 / 0.9 + 0.01).all(), "no green beyond that of the figure"
    assert torch.equal(over[fitted.mask == 0], torch.zeros(int((fitted.mask == 0).sum()), 3))


def test_its_own_background_reaches_to_the_border():
    fitted = fit_character(*character(), place(120, 165), (240, 180))
    assert torch.allclose(fitted.picture[0, 0], GREEN, atol=0.01)
    assert fitted.mask[:, :60].max() == 0, "the mask does not repeat"


def test_what_lies_outside_is_counted():
    assert fit_character(*character(), place(45, 165), (240, 180)).outside < 0.01
    half = fit_character(*character(), place(45, 165, middle=0.0), (240, 180))
    assert half.outside == pytest.approx(0.5, abs=0.05)


def test_bad_masks_of_a_character():
    _, mask = character()
    assert check_character(mask) == []
    with pytest.raises(ValueError, match="empty mask"):
        check_character(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="Invert Mask"):
        check_character(1 - mask)
    assert "cut off at the bottom" in check_character(torch.cat((mask[:300], mask[250:260])))[0]
