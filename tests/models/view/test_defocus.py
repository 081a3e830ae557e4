"""Depth of field: what is blurred, by how much, and what keeps its edge."""

import math

import pytest
import torch
from pack.models.srgb import to_linear, to_srgb
from pack.models.stage import sample_scene
from pack.models.stage.clip import Clip
from pack.models.view import defocus
from pack.models.view.defocus import (
    blur_radius,
    defocused,
    disc_blur,
    largest_radius,
    layer_places,
    layer_radii,
    membership,
)


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
    places = layer_places(radius, levels)
    shares = torch.stack([torch.from_numpy(membership(places.numpy(), index)) for index in range(len(levels))])
    torch.testing.assert_close(shares.sum(0), torch.ones(20, 20), atol=1e-4, rtol=0)
    mean = (shares * torch.tensor(levels)[:, None, None]).sum(0)
    torch.testing.assert_close(mean, radius, atol=1e-4, rtol=0)
    assert levels[0] <= -9 and levels[-1] >= 17 and 0.0 in levels


@pytest.mark.parametrize("radius", [0.5, 2.0, 4.9, 7.0, 13.0])
def test_a_disc_keeps_the_light_and_has_its_radius(radius):
    point = torch.zeros(1, 96, 96)
    point[0, 48, 48] = 1.0
    disc = torch.from_numpy(disc_blur(point.numpy(), radius)[0])
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


# --- against the same layers, whole and by PyTorch alone -------------------------------------------------------------


def plain_blur(planes: torch.Tensor, radius: float) -> torch.Tensor:
    """(4, H, W) averaged over a disc, for the whole picture at once."""
    if radius < 0.25:
        return planes
    height, width = planes.shape[1:]
    factor = 2 ** max(0, math.ceil(math.log2(radius / defocus.FULL)))
    low = torch.nn.functional.pad(planes, (0, -width % factor, 0, -height % factor))
    low = torch.nn.functional.avg_pool2d(low[None], factor)
    reach = math.ceil(radius / factor)
    across = torch.arange(-reach, reach + 1.0)
    disc = (radius / factor + 0.5 - torch.hypot(across[:, None], across[None])).clamp(0, 1)
    weight = (disc / disc.sum()).expand(4, 1, -1, -1)
    low = torch.nn.functional.conv2d(low, weight, padding=reach, groups=4)
    if factor > 1:
        low = torch.nn.functional.interpolate(low, scale_factor=factor, mode="bilinear", align_corners=False)
    return low[0, :, :height, :width]


def plain(picture: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """defocused() layer by layer, for the whole picture at once."""
    levels = layer_radii(radius)
    light = torch.cat((to_linear(picture), torch.ones_like(picture[..., :1])), -1).movedim(-1, 0)
    total, hidden, last = torch.zeros_like(light), torch.zeros_like(radius), torch.zeros_like(radius)
    for index, level in enumerate(levels):
        share = torch.ones_like(radius)
        if index:
            share = share.minimum((radius - levels[index - 1]) / (level - levels[index - 1]))
        if index + 1 < len(levels):
            share = share.minimum((levels[index + 1] - radius) / (levels[index + 1] - level))
        layer = plain_blur(light * share.clamp(0, 1), abs(level))
        total += layer * (1 - hidden).clamp_min(0)
        hidden, last = hidden + last, layer[3]
    return to_srgb(total[:3] / total[3:].clamp_min(1e-4)).clamp(0, 1).movedim(0, -1)


@pytest.mark.parametrize("size", [(150, 211), (64, 96)])
@pytest.mark.parametrize("largest", [2.0, 9.0, 40.0])
def test_blocks_give_what_the_whole_picture_gives(size, largest, monkeypatch):
    """A stage picture, focus on the person; blocks so small that every blur crosses their borders."""
    monkeypatch.setattr(defocus, "BLOCK", 32)
    monkeypatch.setattr(defocus, "WIDE", 0)
    clip = Clip(sample_scene(3, frames=1, height=size[0], width=size[1]), samples=1)
    radius = blur_radius(clip.depth[0], 3.0, largest)
    assert radius.min() < 0 < radius.max() and len(layer_radii(radius)) > 4
    picture = clip.rgb[0].clamp(0, 1)
    torch.testing.assert_close(defocused(picture, radius), plain(picture, radius), atol=2e-3, rtol=0)
    difference = (defocused(picture, radius) - plain(picture, radius)).abs()
    assert difference.mean() < 1e-5


def test_pictures_of_any_size_are_cut_into_blocks_once():
    for size in ((1, 1), (160, 320), (161, 319)):
        count = torch.zeros(size)
        for block in defocus.blocks(*size, 160):
            count[block] += 1
        assert (count == 1).all()
