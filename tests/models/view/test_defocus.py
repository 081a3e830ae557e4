"""Depth of field: what is blurred, by how much, and what keeps its edge."""

import math

import pytest
import torch
from pack.models.view.defocus import blur_radius, defocused, disc_blur, largest_radius, layer_radii, membership


def card(near, far, side=96):
    """A white card in the middle of a striped wall: picture and depth."""
    stripes = (torch.arange(side) // 4 % 2).float()
    picture, depth = stripes.view(1, side, 1).expand(side, side, 3).clone(), torch.full((side, side), far)
    middle = slice(side // 3, 2 * side // 3)
    picture[middle, middle], depth[middle, middle] = 1.0, near
    return picture, depth


def test_the_blur_follows_the_distance():
    depth = torch.tensor([[1.0, 2.0, 4.0, math.inf, math.nan]])
    radius = blur_radius(depth, 2.0, 10.0)
    assert radius[0, :3].tolist() == [-10.0, 0.0, 5.0]
    assert radius[0, 3] == 0 and radius[0, 4] == 0, "where no distance is known nothing is blurred"


def test_the_f_number_of_a_known_lens():
    """50 mm at f/2 focused at 2 m: infinity is blurred over 50 * 50 / 2 / 1950 = 0.641 mm of 36 mm."""
    assert largest_radius(2.0, 50 / 36 * 1920, 1920, 2.0) == pytest.approx(0.641 / 36 * 1920 / 2, rel=1e-3)


def test_what_is_in_focus_does_not_change():
    picture = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(defocused(picture, torch.zeros(20, 30)), picture, atol=1e-4, rtol=0)


def test_layers_add_up_to_the_picture():
    radius = torch.linspace(-9, 17, 400).view(20, 20)
    levels = layer_radii(radius)
    total = sum(membership(radius, levels, index) for index in range(len(levels)))
    torch.testing.assert_close(total, torch.ones(20, 20), atol=1e-4, rtol=0)
    assert levels[0] <= -9 and levels[-1] >= 17 and 0.0 in levels


@pytest.mark.parametrize("radius", [0.5, 2.0, 4.9, 7.0, 13.0])
def test_a_disc_keeps_the_light_and_has_its_radius(radius):
    point = torch.zeros(1, 96, 96)
    point[0, 48, 48] = 1.0
    disc = disc_blur(point, radius)[0]
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    spread = (disc * ((x - 48) ** 2 + (y - 48) ** 2)).sum().sqrt()
    assert disc.sum() == pytest.approx(1.0, abs=1e-3)
    if radius > 1:
        assert spread == pytest.approx(radius / math.sqrt(2), rel=0.25)


def test_a_sharp_object_leaves_no_halo_on_the_blurred_background():
    picture, depth = card(2.0, 8.0)
    picture[picture < 0.5] = 0.2
    picture[..., 1:] *= (depth < 3)[..., None].float()  # the wall has red only, the card is white
    out = defocused(picture, blur_radius(depth, 2.0, 12.0))
    torch.testing.assert_close(out[32:64, 32:64], picture[32:64, 32:64], atol=1e-3, rtol=0)
    outside = depth > 3
    assert out[outside][:, 1:].max() < 1e-3, "the card's colour bleeds into the wall"
    assert out[outside][:, 0].std() < picture[outside][:, 0].std() / 3, "the wall is blurred"


def test_a_blurred_object_covers_the_sharp_background_softly():
    picture, depth = card(1.0, 2.0)
    picture[depth > 1.5] *= 0.5
    out = defocused(picture, blur_radius(depth, 2.0, 6.0))
    far = torch.ones(96, 96, dtype=torch.bool)
    far[20:76, 20:76] = False
    torch.testing.assert_close(out[far], picture[far], atol=1e-3, rtol=0)  # the background's own edges stay sharp
    across = out[48, 24:40].mean(-1)
    assert out[48, 29].mean() > picture[48, 29].mean() + 0.02 and across[-1] > across[0]


def test_light_is_averaged_linearly():
    """A blur of black and white stripes is half the light, which is 0.735 in sRGB."""
    picture = (torch.arange(64) % 2).float().view(1, 64, 1).expand(64, 64, 3)
    out = defocused(picture, torch.full((64, 64), 8.0))
    assert out[32, 32, 0] == pytest.approx(0.735, abs=0.02)
