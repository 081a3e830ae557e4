"""Painted regions to masks: the stage's own layers in colours, clean and degraded, over the whole clip."""

import pytest
import torch
from pack.models.layers.mixed_colours import is_between
from pack.models.layers.regions import find_regions
from pack.models.stage import render, sample_scene
from tiny.painted import WAYS, noise

COLOURS = ((0.9, 0.1, 0.2), (0.1, 0.7, 0.9), (0.9, 0.8, 0.1), (0.3, 0.2, 0.9))
LEAST = {"clean": 0.95, "noise": 0.95, "blur": 0.94, "encoded": 0.85}  # of the union that a mask and its region share


def painted(layer, colours=COLOURS, background=(0.0, 0.0, 0.0)):
    """(N, H, W) numbers to (N, H, W, 3) colours; 0 is the background."""
    return torch.tensor([background, *colours])[layer]


def overlap(mask, other):
    """Shared part of two masks in what either covers."""
    return (torch.minimum(mask, other).sum() / torch.maximum(mask, other).sum().clamp_min(1)).item()


@pytest.fixture(scope="module")
def layer():
    clip = render(sample_scene(3, frames=5, height=384, width=384, objects=3))
    return clip.layer.long()


@pytest.mark.parametrize("way", WAYS)
def test_every_region_of_the_stage_has_its_mask_in_every_frame(layer, way):
    regions = find_regions(WAYS[way](painted(layer)), "black", 12.0, 0.002)
    assert regions.count == 4 and regions.advice is None
    areas = torch.tensor([(layer == k + 1).sum() for k in range(4)])
    for number, k in enumerate(areas.argsort(descending=True).tolist()):
        assert (regions.colours[number] - torch.tensor(COLOURS[k])).abs().max() < 0.1
        assert overlap(regions.mask(number), (layer == k + 1).float()) > LEAST[way]


@pytest.mark.parametrize("way", ["clean", "encoded"])
def test_numbers_follow_the_colour_not_the_frame(layer, way):
    """In each single frame another region may be the largest; over the clip each colour keeps its number."""
    regions = find_regions(WAYS[way](painted(layer)), "black", 12.0, 0.002)
    for index in range(len(layer)):
        for number in range(4):
            here = regions.labels[index] == number + 1
            if here.sum() > 500:
                of = torch.tensor(COLOURS).sub(regions.colours[number]).norm(dim=-1).argmin()
                assert (layer[index][here] == of + 1).float().mean() > 0.8


def test_the_mixture_of_two_regions_is_no_third():
    """Half of red and green is the colour of a third object that is somewhere else."""
    layer = torch.zeros(1, 192, 192, dtype=torch.long)
    layer[:, 20:100, 10:60], layer[:, 20:100, 60:110], layer[:, 130:180, 120:180] = 1, 2, 3
    colours = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0))
    regions = find_regions(WAYS["encoded"](painted(layer, colours)), "black", 12.0, 0.002)
    assert regions.count == 3
    third = [n for n in range(3) if (regions.colours[n] - torch.tensor(colours[2])).abs().max() < 0.15][0]
    assert overlap(regions.mask(third), (layer == 3).float()) > 0.9
    assert is_between(2, torch.tensor(colours).numpy(), 5.0) and not is_between(0, torch.tensor(colours).numpy(), 5.0)


def test_specks_join_what_is_around_them():
    layer = torch.zeros(2, 128, 128, dtype=torch.long)
    layer[:, 30:90, 30:90] = 1
    layer[:, 50:53, 50:53] = 2  # in the region
    layer[:, 110:113, 5:8] = 3  # in the background
    layer[1, 5:8, 100:103] = 1  # a speck in the colour of a region
    regions = find_regions(painted(layer), "black", 12.0, 0.01)
    assert regions.count == 1
    wanted = torch.zeros(2, 128, 128)
    wanted[:, 30:90, 30:90] = 1
    assert overlap(regions.mask(0), wanted) > 0.99 and regions.mask(0)[1, :20, 90:].sum() == 0


@pytest.mark.parametrize(
    "background, back, count",
    [("black", (0, 0, 0), 2), ("black", (0.08, 0.02, 0.1), 2), ("white", (1, 1, 0.95), 2), ("largest region", (0.2, 0.6, 0.4), 2),
     ("none", (0, 0, 0), 3), ("black", (0.2, 0.6, 0.4), 3)],
)  # fmt: skip
def test_backgrounds(background, back, count):
    layer = torch.zeros(2, 96, 96, dtype=torch.long)
    layer[:, 10:40, 10:40], layer[:, 50:80, 40:90] = 1, 2
    pictures = noise(painted(layer, COLOURS[:2], tuple(map(float, back))))
    assert find_regions(pictures, background, 12.0, 0.002).count == count


def test_what_is_not_painted_is_said():
    clip = render(sample_scene(3, frames=2, height=192, width=192))
    assert "hardly look like painted regions" in find_regions(clip.rgb, "black", 12.0, 0.002).advice
    empty = find_regions(torch.zeros(2, 64, 64, 3), "black", 12.0, 0.002)
    assert empty.count == 0 and "No region was found" in empty.advice and not empty.labels.any()


def test_an_unknown_background_is_refused():
    with pytest.raises(ValueError, match="Expected one of black, white, largest region, none, got 'green'"):
        find_regions(torch.zeros(1, 8, 8, 3), "green", 12.0, 0.002)
