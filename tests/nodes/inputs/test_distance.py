"""Grey pictures, distances and geometry as distances with a focal length."""

import math

import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.nodes.inputs.distance import read_distances
from pack.nodes.stage.truth import geometry

GREYS = {"depth_type": "near is white", "near_depth": 2.0, "far_depth": 8.0, "depth_scale": "inverse"}
METRES = {"depth_type": "distance"}


def picture(values):
    return torch.tensor(values)[..., None].expand(-1, -1, -1, 3)


def test_greys_lie_between_near_and_far():
    read = read_distances(picture([[[1.0, 0.0]]]), GREYS, 90.0)
    torch.testing.assert_close(read.depth, torch.tensor([[[2.0, 8.0]]]))
    assert read.focal == pytest.approx(1.0)  # half of two pixels at 45 degrees


def test_distances_of_zero_and_below_are_not_known():
    read = read_distances(picture([[[3.0, 0.0], [-1.0, float("nan")]]]), METRES, 0.0)
    assert read.known.tolist() == [[[True, False], [False, False]]]
    assert read.focal == pytest.approx(1 / math.tan(math.radians(25)))


@pytest.mark.parametrize("size", [1.0, 504.0])
def test_the_focal_length_of_a_geometry_is_taken_in_any_unit(size):
    matrix = torch.tensor([[0.8 * size, 0, size / 2], [0, 0.8 * size, size / 2], [0, 0, 1]])
    given = {"depth": torch.full((2, 6, 10), 3.0), "intrinsics": matrix.expand(2, 3, 3)}
    assert read_distances(given, GREYS, 0.0).focal == pytest.approx(8.0)
    assert read_distances(given, GREYS, 90.0).focal == pytest.approx(5.0)


def test_the_focal_length_of_a_test_video_is_exact():
    """Its principal point lies between the centres of its pixels, which are whole numbers."""
    clip = render(sample_scene(2, frames=2, height=24, width=40))
    assert read_distances(geometry(clip), METRES, 0.0).focal == pytest.approx(clip.camera.focal)


def test_a_geometry_without_a_camera_takes_the_usual_angle():
    """Depth Anything 3 gives the identity where its model has no camera."""
    given = {"depth": torch.full((2, 6, 10), 3.0), "intrinsics": torch.eye(3).expand(1, 2, 3, 3)}
    assert read_distances(given, METRES, 0.0).focal == pytest.approx(5 / math.tan(math.radians(25)))


def test_a_frame_without_any_distance_is_refused():
    depth = picture([[[3.0]], [[0.0]]])
    with pytest.raises(ValueError, match="got none in frame 1"):
        read_distances(depth, METRES, 0.0)
