"""The percentiles of a clip are numpy's, found without holding all of its numbers at once."""

import numpy as np
import pytest
import torch
from pack.models.depth.percentile import percentiles

CLIPS = {
    "noise": torch.randn(5, 7, 9, generator=torch.Generator().manual_seed(0)),
    "small and large": torch.cat([torch.rand(3, 7, 9), 1e30 * torch.rand(2, 7, 9), -1e-30 * torch.rand(2, 7, 9)]),
    "constant": torch.full((4, 5, 6), 0.25),
    "two values": (torch.arange(40).reshape(2, 4, 5) % 2).float(),
    "zeros of both signs": torch.tensor([[[0.0, -0.0, 1.0, -1.0]]]),
    "one pixel": torch.tensor([[[3.0]]]),
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("percents", [[0, 100], [1, 99], [99, 1], [37.5, 50.1]])
def test_they_are_those_of_numpy(name, percents):
    clip = CLIPS[name]
    valid = torch.ones_like(clip, dtype=torch.bool)
    valid[0, 0, :2] = clip.numel() < 3
    valid[0, 0, -1] = True
    expected = np.percentile(clip[valid].double().numpy(), percents)
    assert percentiles(clip, valid, percents, lambda done: None) == pytest.approx(expected, rel=1e-6, abs=1e-30)


def test_each_frame_is_looked_at_twice():
    looks = []
    percentiles(CLIPS["noise"], torch.ones(5, 7, 9, dtype=torch.bool), [1, 99], looks.append)
    assert len(looks) == 10
