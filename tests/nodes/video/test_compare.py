"""Compare Video and Depth: every comparison of the clips, with labels, and what is fitted or refused."""

import pytest
import torch
from pack.models.video import compare
from pack.nodes.inputs.video import reads_videos
from pack.nodes.video.compare import ComparePair

NODE = reads_videos(ComparePair)
WIPE = {"comparison": "wipe", "start_position": 0.0, "end_position": 1.0, "wipe_direction": "left to right"}
LAYOUTS = {
    "side by side": ({"comparison": "side by side"}, (16, 48)),
    "over-under": ({"comparison": "over-under"}, (32, 24)),
    "wipe": (WIPE, (16, 24)),
    "depth edges": ({"comparison": "depth edges", "edge_threshold": 0.1, "edge_color": "red"}, (16, 24)),
    "error": ({"comparison": "error", "error_gain": 2.0}, (16, 24)),
}


def rand(*shape, seed=0):
    return 0.5 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def run(images, other, comparison="side by side", **values):
    comparison = LAYOUTS[comparison][0] if isinstance(comparison, str) else comparison
    return NODE.execute(images=images, other_images=other, comparison=comparison, **values).result


@pytest.mark.parametrize("comparison", LAYOUTS)
def test_every_layout_has_its_size_and_all_frames(comparison):
    assert {one.key for one in NODE.GET_SCHEMA().inputs[2].options} == LAYOUTS.keys()
    pictures, report = run(rand(3, 16, 24, 3), rand(3, 16, 24, 3, seed=1), comparison)
    assert pictures.shape == (3, *LAYOUTS[comparison][1], 3) and report == "3 frames of 24 x 16."


def test_both_clips_are_whole():
    images, other = rand(3, 16, 24, 3), rand(3, 16, 24, 3, seed=1)
    assert torch.equal(run(images, other)[0], torch.cat((images, other), 2))
    assert torch.equal(run(images, other, "over-under")[0], torch.cat((images, other), 1))
    assert torch.equal(run(images, other, "error")[0], (2 * (images - other).abs()).clamp(0, 1))


def test_a_wipe_moves_over_the_clip():
    images, other = torch.zeros(5, 16, 24, 3), torch.full((5, 16, 24, 3), 0.5)
    pictures = run(images, other, "wipe")[0]
    shown = (pictures[:, 0, :, 0] == 0).sum(1)
    assert shown.tolist() == [0, 5, 11, 17, 24]
    still = run(images, other, WIPE | {"start_position": 0.5, "end_position": 0.5})[0]
    assert all(torch.equal(still[0], one) for one in still)
    assert torch.equal(run(images[:1], other[:1], "wipe")[0], other[:1])


def test_edges_lie_over_the_clip():
    images, depth = rand(2, 16, 24, 3), torch.zeros(2, 16, 24, 3)
    depth[1, :, 12:] = 1.0
    pictures = run(images, depth, "depth edges")[0]
    assert torch.equal(pictures[0], images[0]) and not torch.equal(pictures[1], images[1])


@pytest.mark.parametrize("comparison", LAYOUTS)
def test_labels_are_drawn_in_their_clips(comparison):
    images = torch.full((2, 90, 120, 3), 0.5)
    comparison = WIPE | {"start_position": 0.5} if comparison == "wipe" else LAYOUTS[comparison][0]
    plain = run(images, images, comparison)[0]
    for name in ("first_label", "second_label"):
        changed = (run(images, images, comparison, **{name: "Depth"})[0] != plain).any(-1)[0]
        rows, columns = changed.nonzero().unbind(-1)
        place = (int(rows.float().mean() // 90), int(columns.float().mean() // 120))
        right, below = (
            name == "second_label" and comparison["comparison"] == "side by side",
            name == "second_label" and comparison["comparison"] == "over-under",
        )
        assert len(rows) and place == (int(below), int(right))


def test_labels_of_a_wipe_stand_on_their_sides():
    images = torch.full((1, 90, 120, 3), 0.5)
    for direction, axis in (("left to right", 1), ("top to bottom", 0)):
        comparison = WIPE | {"start_position": 0.5, "wipe_direction": direction}
        plain = run(images, images, comparison)[0]
        second = (run(images, images, comparison, second_label="Depth")[0] != plain).any(-1)[0].nonzero()
        assert len(second) and (second[:, axis] >= (90, 120)[axis] // 2).all()
        hidden = run(images, images, comparison | {"start_position": 1.0}, second_label="Depth")[0]
        assert torch.equal(hidden, images), "a label goes with its clip"


def test_another_size_is_fitted_and_reported():
    images = rand(2, 16, 24, 3)
    pictures, report = run(images, torch.ones(2, 32, 48, 3))
    assert pictures.shape == (2, 16, 48, 3) and (pictures[:, :, 24:] > 0.999).all()
    assert report == "2 frames of 24 x 16. other_images of 48 x 32 were scaled to 24 x 16."
    pictures, report = run(images, torch.ones(2, 8, 8, 3))
    assert report.endswith(
        "other_images of 8 x 8 were scaled to 16 x 16, with black borders because its shape is another."
    )
    assert torch.equal(pictures[0, :, 24:], compare.fit(torch.ones(8, 8, 3), (16, 24)))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="images has 3, other_images has 2: trim the longer ones"):
        run(rand(3, 16, 24, 3), rand(2, 16, 24, 3))
    with pytest.raises(ValueError, match="^second_label: expected Latin letters without accents, got '深度'"):
        run(rand(2, 16, 24, 3), rand(2, 16, 24, 3), second_label="深度")
    with pytest.raises(ValueError, match="Compare Video and Depth with 100000 frames of 9000 x 9000 needs about"):
        run(torch.zeros(1).expand(100000, 9000, 9000, 3), rand(2, 16, 24, 3))


def test_the_clips_stay_as_they_are():
    images, other = rand(2, 16, 24, 3), rand(2, 16, 24, 3, seed=1)
    before = images.clone(), other.clone()
    for comparison in LAYOUTS:
        run(images, other, comparison, first_label="Video", second_label="Depth")
    assert torch.equal(images, before[0]) and torch.equal(other, before[1])
