"""Windows on a pair: as good as one run where frames are independent, and never video with the depth of another frame."""

import pytest
from pack.nodes.host.context import FUSE_METHODS, SCHEDULES
from pack.nodes.sampling import PairedContextWindows

from .tiny import gap, ksampler, latent, tiny_model

FRAMES = 7


@pytest.fixture(scope="module")
def per_frame():
    """Video and depth of a frame see each other, frames do not."""
    return tiny_model(temporal="none")


@pytest.fixture(scope="module")
def full(per_frame):
    return ksampler(per_frame, pair=latent(2 * FRAMES), steps=1)


def windowed(model, schedule="standard_static", fuse="pyramid", length=4, overlap=2, stride=1, loop=False, free=False):
    return PairedContextWindows.execute(model, length, overlap, schedule, fuse, stride, loop, free).result[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("fuse", FUSE_METHODS)
def test_windows_equal_one_run_where_frames_are_independent(per_frame, full, schedule, fuse):
    out = ksampler(windowed(per_frame, schedule, fuse), pair=latent(2 * FRAMES), steps=1)
    assert gap(out, full) < 1e-6


@pytest.mark.parametrize("options", [
    {"overlap": 0, "fuse": "overlap-linear"},
    {"stride": 3, "schedule": "standard_uniform"},
    {"stride": 3, "schedule": "looped_uniform", "loop": True},
    {"length": 5, "overlap": 4, "fuse": "overlap-linear"},
])  # fmt: skip
def test_windows_at_the_edges_of_their_options(per_frame, full, options):
    assert gap(ksampler(windowed(per_frame, **options), pair=latent(2 * FRAMES), steps=1), full) < 1e-6
