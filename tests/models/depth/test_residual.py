"""How well a colour map fits painted depth: on the stage's own depth in every map, clean and degraded."""

import pytest
import torch
from pack.models.choices import COLOUR_MAPS
from pack.models.depth.colormap import decode, encode, table_of
from pack.models.depth.range import normalize_clip
from pack.models.depth.residual import LARGE, residual
from pack.models.stage import render, sample_scene
from tiny.painted import WAYS

MOST = {"clean": (0.001, 0.001), "noise": (0.03, 0.02), "blur": (0.02, 0.001), "encoded": (0.05, 0.005)}  # mean, median


@pytest.fixture(scope="module")
def depth():
    clip = render(sample_scene(3, frames=4, height=256, width=256))
    return normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_the_map_that_was_painted_fits_and_gives_the_depth(depth, name, way):
    painted = WAYS[way](encode(depth, name))
    fit = residual(painted, name)
    assert fit.best_name == name and not fit.other_fits and fit.advice is None and fit.average < LARGE
    error = (decode(painted, name) - depth).abs()
    assert error.mean() < MOST[way][0] and error.median() < MOST[way][1]


@pytest.mark.parametrize("name", ["turbo", "jet", "spectral", "inferno", "hot"])
def test_another_map_is_named(depth, name):
    painted = WAYS["encoded"](encode(depth, name))
    for other in ("turbo", "jet", "spectral", "rainbow", "hot", "grey"):
        if other != name:
            fit = residual(painted, other)
            assert fit.other_fits and f"set colormap to {name}." in fit.text, (other, fit)


def test_the_unit_is_percent_of_black_to_white():
    pixel = torch.tensor([[[[0.9, 0.5, 0.5]]]])  # 0.4 beside grey in one channel
    nearest = (table_of("grey").T - pixel.view(3)).norm(dim=-1).min().item()
    fit = residual(pixel, "grey")
    assert abs(fit.average - 100 * nearest / 3**0.5) < 1e-3 and fit.average == fit.worst


def test_colours_of_no_map_are_called_rough():
    g = torch.Generator().manual_seed(0)
    fit = residual(torch.rand(1, 64, 64, 3, generator=g), "hot")
    assert fit.average > LARGE and "No colour map fits" in fit.text


def test_one_column_does_not_stand_for_all():
    heat = encode(torch.rand(16, 256, 256, generator=torch.Generator().manual_seed(0)), "turbo")
    heat[:, :, ::32] = 0.5
    fit = residual(heat, "turbo")
    assert fit.best_name == "turbo" and fit.average < 2
