"""A stage clip moved by its depth, against the stage's own render from the moved camera."""

import math

import pytest
import torch
from pack.models.stage import sample_scene
from pack.models.stage.second_camera import shoot
from pack.models.view.lens import between
from pack.models.view.reproject import reproject
from pack.models.view.surface import joins


def grown(mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.max_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0] > 0


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return -10 * math.log10(((one - other)[where] ** 2).mean().item())


def overlap(one: torch.Tensor, other: torch.Tensor, tolerance: bool = False) -> tuple[int, int]:
    """Pixels in which two masks agree and pixels of either; with a tolerance, within one pixel of the other mask counts."""
    if not tolerance:
        return int((one & other).sum()), int((one | other).sum())
    agree = (one & grown(other)) | (other & grown(one))
    return int(agree.sum()), int((one | other).sum())


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("move", ["right", "dolly", "orbit"])
def test_a_moved_stage_clip_is_near_its_own_render(seed, move):
    one = shoot(sample_scene(seed, frames=4, height=256, width=256), move)
    view = reproject(one.picture, one.depth, between(one.camera, one.second_camera))
    assert psnr(view.picture, one.second_picture, ~one.hidden & ~view.holes) > 32  # seen: 35 to 40
    right, down = joins(1 / one.second_depth)
    inside = ~grown(~right | ~down) & ~one.hidden & ~view.holes
    assert ((view.depth - one.second_depth).abs() / one.second_depth)[inside].quantile(0.999) < 0.02
    if move != "dolly":  # there the holes are lines of one pixel, whose place the pixels' middles leave open
        (both, either), (near, _) = overlap(view.holes, one.hidden), overlap(view.holes, one.hidden, True)
        assert both / either > 0.85 and near / either > 0.93
