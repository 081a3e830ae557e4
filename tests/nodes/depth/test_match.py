"""Match Depth and Mask by Depth Difference on the host's own types."""

from inspect import signature

import pytest
import torch
from pack.nodes.depth.match import MaskByDepth, MatchDepth


def pictures(depth):
    return depth[..., None].expand(-1, -1, -1, 3).contiguous()


def room(frames=3):
    """A floor that comes nearer downwards, (N, H, W, 3)."""
    return pictures(torch.linspace(0, 0.5, 24)[None, :, None].expand(frames, 24, 32))


def with_person(frames=3):
    """The same room in another range, and a person in front of it."""
    depth = room(frames)[..., 0] / 0.6 + 0.1
    depth[:, 4:18, 10:16] = 0.9
    return pictures(depth)


@pytest.mark.parametrize("node, optional", [(MatchDepth, ["static_mask"]), (MaskByDepth, [])])
def test_every_input_of_the_schema_is_one_of_execute(node, optional):
    schema = node.GET_SCHEMA()
    assert [i.id for i in schema.inputs] == list(signature(node.execute).parameters)
    assert [i.id for i in schema.inputs if i.optional] == optional


@pytest.mark.parametrize("reference", [room(), room(1)])
def test_a_person_is_masked_in_the_greys_of_the_room(reference):
    depth, report = MatchDepth.execute(with_person(), reference).result
    nearer = MaskByDepth.execute(depth, reference, 0.02, 0.0)[0]
    assert depth.shape == (3, 24, 32, 3) and nearer.shape == (3, 24, 32)
    wanted = torch.zeros(3, 24, 32)
    wanted[:, 4:18, 10:16] = 1
    assert torch.equal(nearer, wanted)
    assert torch.allclose(depth[nearer == 0], room()[nearer == 0], atol=1e-3)
    assert torch.allclose(depth[nearer == 1], torch.tensor(0.48), atol=5e-3)
    assert report.startswith("Matched depth = 0.6")


def test_swapped_depth_is_reported():
    report = MatchDepth.execute(1 - with_person(), room()).result[1]
    assert "Near and far are swapped" in report


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"reference_depth": room(2)}, "Expected the same number of frames"),
        ({"reference_depth": torch.rand(3, 8, 8, 1).expand(-1, -1, -1, 3)}, "Expected pictures of one size"),
        ({"depth": torch.rand(3, 24, 32, 3)}, "depth: expected .*got colours"),
        ({"static_mask": torch.zeros(3, 24, 32)}, "got an empty mask"),
        ({"static_mask": torch.ones(2, 24, 32)}, "expected 1 or 3 masks for 3 frames, got 2"),
    ],
)
def test_bad_input_is_refused(changes, phrase):
    with pytest.raises(ValueError, match=phrase):
        MatchDepth.execute(**({"depth": with_person(), "reference_depth": room()} | changes))


def test_the_mask_takes_what_is_nearer_by_the_threshold_with_a_fading_edge():
    depth = torch.zeros(2, 16, 32)
    depth[..., 16:] = 0.5
    hard = MaskByDepth.execute(pictures(depth), room(1)[:, :1].expand(1, 16, 32, 3), 0.5, 0.0)[0]
    assert torch.equal(hard, (depth > 0).float())
    assert not MaskByDepth.execute(pictures(depth), pictures(0 * depth), 0.51, 0.0)[0].any()
    assert not MaskByDepth.execute(pictures(0 * depth), pictures(depth), 0.02, 0.0)[0].any(), "farther is no part of it"
    soft = MaskByDepth.execute(pictures(depth), pictures(0 * depth), 0.1, 4.0)[0][0, 8]
    assert soft[:13].max() == 0 and soft[19:].min() == 1 and (soft[14:18].diff() > 0).all()


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"reference_depth": room(2)}, "depth has 3, reference_depth has 2"),
        ({"reference_depth": room()[:, :8]}, "depth is 32 x 24, reference_depth is 32 x 8"),
        ({"depth": torch.rand(3, 24, 32, 3)}, "depth: expected .*got colours"),
    ],
)
def test_bad_input_of_the_mask_is_refused(changes, phrase):
    inputs = {"depth": with_person(), "reference_depth": room(), "depth_threshold": 0.02, "feather": 0.0}
    with pytest.raises(ValueError, match=phrase):
        MaskByDepth.execute(**(inputs | changes))
