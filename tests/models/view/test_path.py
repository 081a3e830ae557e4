"""Camera paths: where they lead, how they ease, and the camera of ComfyUI's 3-D nodes."""

import math

import pytest
import torch
from pack.models.choices import CAMERA_PATHS
from pack.models.view.path import pose_along, pose_between, pose_of_viewer, progress_along

SIZE = (48, 64)
FOCAL = 60.0


def place(pose, point):
    """The pixel of a point (x right, y down, z ahead of the clip's camera)."""
    x, y, z = point
    to_x, to_y, _ = pose.lens(FOCAL, SIZE).places(
        torch.tensor([x / z * FOCAL + 31.5]), torch.tensor([[y / z * FOCAL + 23.5]]), torch.tensor([[1 / z]])
    )
    return to_x.item() - 31.5, to_y.item() - 23.5


@pytest.mark.parametrize("camera_path", CAMERA_PATHS)
def test_every_path_starts_at_the_clips_camera(camera_path):
    pose = pose_along(camera_path, 5.0, 0.0, 3.0)
    assert torch.equal(pose.rotation, torch.eye(3, dtype=torch.float64)) and not pose.position.any() and pose.zoom == 1


def test_directions():
    ahead = (0.0, 0.0, 2.0)
    assert place(pose_along("truck", 0.1, 1.0), ahead)[0] == pytest.approx(-3.0, abs=1e-4)
    assert place(pose_along("pedestal", 0.1, 1.0), ahead)[1] == pytest.approx(3.0, abs=1e-4)
    assert place(pose_along("dolly", 1.0, 1.0), (0.2, 0.0, 2.0))[0] == pytest.approx(12.0, abs=1e-4)
    assert place(pose_along("pan", 10.0, 1.0), ahead)[0] == pytest.approx(-FOCAL * math.tan(math.radians(10)), abs=1e-3)
    assert place(pose_along("tilt", 10.0, 1.0), ahead)[1] == pytest.approx(FOCAL * math.tan(math.radians(10)), abs=1e-3)
    assert place(pose_along("zoom", 2.0, 1.0), (0.2, 0.1, 2.0)) == pytest.approx((12.0, 6.0), abs=1e-4)


@pytest.mark.parametrize("camera_path", ["orbit", "sway"])
def test_orbit_and_sway_look_at_the_pivot(camera_path):
    pose = pose_along(camera_path, 20.0 if camera_path == "orbit" else 0.5, 0.2, 3.0)
    assert pose.position[0] > 0.05, "to the right"
    assert place(pose, (0.0, 0.0, 3.0)) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert place(pose, (0.0, 0.0, 6.0))[0] > 1, "what is behind the pivot moves with the camera"


def test_progress():
    assert progress_along(5, "linear").tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert progress_along(4, "linear", loop=True).tolist() == [0, 0.5, 1, 0.5]
    smooth = progress_along(9)
    assert smooth[0] == 0 and smooth[-1] == 1 and smooth[1] < 1 / 8 and (smooth.diff() > 0).all()
    assert progress_along(1).tolist() == [0] and progress_along(0).tolist() == []


def test_a_camera_of_the_3d_nodes():
    """0.5 to the right and up, looking at a point 2 ahead."""
    info = {"position": {"x": 0.5, "y": 0.3, "z": 0.0}, "target": {"x": 0.0, "y": 0.0, "z": -2.0}, "zoom": 1.0}
    pose = pose_of_viewer(info, FOCAL, SIZE[0])
    torch.testing.assert_close(pose.position, torch.tensor([0.5, -0.3, 0.0], dtype=torch.float64))
    assert place(pose, (0.0, 0.0, 2.0)) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert pose.zoom == 1
    half = math.radians(10) / 2
    turned = {"position": {}, "quaternion": {"x": 0, "y": math.sin(half), "z": 0, "w": math.cos(half)}, "fov": 40}
    pose = pose_of_viewer(turned, FOCAL, SIZE[0])
    assert place(pose, (0.0, 0.0, 2.0))[0] > 5, (
        "about the upward axis is to the left, so what was ahead is to the right"
    )
    assert pose.zoom == pytest.approx(24 / math.tan(math.radians(20)) / FOCAL)


def test_on_the_way_to_another_camera():
    end = pose_of_viewer(
        {"position": {"x": 1, "y": 0.5, "z": -1}, "target": {"x": 0, "y": 0, "z": -3}, "zoom": 2}, FOCAL, 48
    )
    start, middle, last = (pose_between(end, part) for part in (0.0, 0.5, 1.0))
    torch.testing.assert_close(start.rotation, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(last.rotation, end.rotation)
    torch.testing.assert_close(middle.rotation @ middle.rotation, end.rotation)
    torch.testing.assert_close(middle.position, end.position / 2)
    assert (start.zoom, last.zoom) == (1, 2)


def test_a_quaternion_of_zeros_is_refused():
    with pytest.raises(ValueError, match="quaternion"):
        pose_of_viewer({"position": {}, "quaternion": {"w": 0.0}}, FOCAL, 48)
