"""Greys back to distances: what Normalize Depth did, undone."""

import pytest
import torch
from pack.models.choices import DEPTH_POLARITIES, DEPTH_SCALES
from pack.models.depth.distance import distance_of
from pack.models.depth.range import normalize_clip


@pytest.mark.parametrize("polarity", DEPTH_POLARITIES)
@pytest.mark.parametrize("scale", DEPTH_SCALES)
def test_it_undoes_normalize_depth(polarity, scale):
    metres = torch.rand((3, 8, 9), generator=torch.Generator().manual_seed(1)) * 9 + 0.5
    picture, near, far = normalize_clip(metres, depth_type="distance", depth_scale=scale, polarity=polarity)
    torch.testing.assert_close(distance_of(picture, near, far, polarity, scale), metres, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (2.0, 1.0), (3.0, 3.0), (-1.0, 1.0), (float("nan"), 1.0)])
def test_ends_that_are_no_distances_are_refused(ends):
    with pytest.raises(ValueError, match="near_depth above 0 and below far_depth"):
        distance_of(torch.zeros(1, 2, 2), *ends, "near is white", "inverse")
