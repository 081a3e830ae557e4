"""Match Depth on the host's own types."""

from inspect import signature

import pytest
import torch
from pack.nodes.depth.match import MatchDepth


def pictures(depth):
    return depth[..., None].expand(-1, -1, -1, 3).contiguous()


def room(frames=3):
    """A floor that comes nearer downwards, (N, H, W, 3)."""
    return pictures(torch.linspace(0, 0.5, 24)[None, :, None].expand(frames, 24, 32))


def with_somebody(frames=3):
    """The same room in another range, and somebody before it."""
    depth = room(frames)[..., 0] / 0.6 + 0.1
    depth[:, 4:18, 10:16] = 0.9
    return pictures(depth)


def test_every_input_of_the_schema_is_one_of_execute():
    schema = MatchDepth.GET_SCHEMA()
    assert [i.id for i in schema.inputs] == list(signature(MatchDepth.execute).parameters)
    assert [i.id for i in schema.inputs if i.optional] == ["same"]


@pytest.mark.parametrize("reference", [room(), room(1)])
def test_somebody_is_cut_out_in_the_room_s_greys(reference):
    depth, nearer, report = MatchDepth.execute(with_somebody(), reference, 0.02, 0.0).result
    assert depth.shape == (3, 24, 32, 3) and nearer.shape == (3, 24, 32)
    wanted = torch.zeros(3, 24, 32)
    wanted[:, 4:18, 10:16] = 1
    assert torch.equal(nearer, wanted)
    assert torch.allclose(depth[nearer == 0], room()[nearer == 0], atol=1e-3)
    assert torch.allclose(depth[nearer == 1], torch.tensor(0.48), atol=5e-3)
    assert report.startswith("Matched depth = 0.6")


def test_swapped_depth_is_told():
    report = MatchDepth.execute(1 - with_somebody(), room(), 0.02, 0.0).result[2]
    assert "Near and far are swapped" in report


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reference": room(2)}, "Expected the same number of frames"),
        ({"reference": torch.rand(3, 8, 8, 1).expand(-1, -1, -1, 3)}, "Expected pictures of one size"),
        ({"depth": torch.rand(3, 24, 32, 3)}, "depth: expected .*got colours"),
        ({"same": torch.zeros(3, 24, 32)}, "got an empty mask"),
        ({"same": torch.ones(2, 24, 32)}, "expected 1 or 3 masks for 3 frames, got 2"),
    ],
)
def test_bad_input_is_refused_in_words(changes, says):
    with pytest.raises(ValueError, match=says):
        MatchDepth.execute(**({"depth": with_somebody(), "reference": room(), "least": 0.02, "feather": 0.0} | changes))
