"""Surfaces from depth: where the points lie, which triangles there are, and that none spans a jump."""

import numpy as np
import pytest
import torch
from pack.models.geometry.colours import linear
from pack.models.geometry.surface import point_cloud, surface
from pack.models.geometry.view import camera_to_world, posed_camera, still_camera
from pack.models.stage import render, sample_scene
from tiny.geometry_files import encoded

JUMP = 0.05


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(4, frames=3, height=96, width=128, camera="orbit", objects=2))


def normals(points, triangles):
    a, b, c = points[triangles].unbind(1)
    return torch.linalg.cross(b - a, c - a)


def test_a_wall_is_as_wide_as_its_lens_says():
    camera = still_camera(1, 100.0, 41, 61)
    flat = surface(torch.full((41, 61), 2.0), camera)
    assert len(flat.points) == 41 * 61 and len(flat.triangles) == 2 * 40 * 60
    torch.testing.assert_close(flat.points.amin(0), torch.tensor([-0.6, -0.4, -2.0]))
    torch.testing.assert_close(flat.points.amax(0), torch.tensor([0.6, 0.4, -2.0]))
    top_left = flat.points[flat.pixels == 0][0]
    torch.testing.assert_close(top_left, torch.tensor([-0.6, 0.4, -2.0]))  # x right, y up, in front is -z


def test_triangles_face_the_camera(clip):
    for frame in range(3):
        camera = clip.camera.frames(slice(frame, frame + 1))
        found = surface(clip.depth[frame], camera, 2, JUMP)
        towards = camera.position[0] - found.points[found.triangles[:, 0]]
        assert ((normals(found.points, found.triangles) * towards).sum(-1) > 0).all()


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_no_triangle_spans_a_jump(clip, step):
    """Read back from the positions alone: the pixels under each triangle have no neighbours that are a jump apart."""
    depth = clip.depth[1].numpy()
    found = surface(clip.depth[1], clip.camera.frames(slice(1, 2)), step, JUMP)
    row, column = np.divmod(found.pixels.numpy()[found.triangles.numpy()], 128)
    assert (np.ptp(row, axis=1) == step).all() and (np.ptp(column, axis=1) == step).all()
    for top, left in set(zip(row.min(1), column.min(1), strict=True)) if step > 1 else ():
        block = depth[top : top + step + 1, left : left + step + 1]
        for axis in (0, 1):
            near, far = np.delete(block, -1, axis), np.delete(block, 0, axis)
            assert (np.maximum(near, far) <= (1 + JUMP) * np.minimum(near, far) * 1.0001).all()
    corners = depth[row, column]
    assert (corners.max(1) / corners.min(1)).max() <= (1 + JUMP) ** (2 * step if step > 1 else 1) * 1.0001
    sheet = surface(clip.depth[1], clip.camera.frames(slice(1, 2)), step, 1e9)
    assert 0.8 * len(sheet.triangles) < len(found.triangles) < len(sheet.triangles)  # there was something to cut


def test_surface_and_cloud_agree_with_the_stage(clip):
    """Points lie where the stage's own camera projects them from, at the stage's distance."""
    for frame in range(3):
        camera = clip.camera.frames(slice(frame, frame + 1))
        cloud = point_cloud(clip.depth[frame], camera, 1)
        assert len(cloud.points) == 96 * 128 and len(cloud.triangles) == 0
        seen = camera.to_camera(cloud.points[None])
        torch.testing.assert_close(seen[0, :, 2], clip.depth[frame].reshape(-1), rtol=1e-4, atol=1e-4)
        places = camera.project(seen)[0]
        pixels = torch.stack((cloud.pixels % 128, cloud.pixels // 128), -1).float()
        assert (places - pixels).abs().max() < 0.02


def test_what_stands_still_stays_in_place_while_the_camera_moves(clip):
    """The same place of the room, found in two frames by the exact flow, is one point of the world."""
    first, second = (surface(clip.depth[i], clip.camera.frames(slice(i, i + 1)), 1, 1e9) for i in (0, 1))
    still = clip.forward_valid[0] & (clip.layer[0] == 0)
    row, column = torch.nonzero(still, as_tuple=True)
    target = torch.stack((row, column), -1) + clip.forward[0][row, column].flip(-1)
    near = (target - target.round()).abs().amax(-1) < 0.05
    to = target[near].round().long()
    a = first.points.reshape(96, 128, 3)[row[near], column[near]]
    b = second.points.reshape(96, 128, 3)[to[:, 0], to[:, 1]]
    assert len(a) > 50 and (a - b).norm(dim=-1).median() < 0.02


@pytest.mark.parametrize("step", [1, 2, 4])
def test_unknown_pixels_are_holes(step):
    depth = torch.full((17, 17), 3.0)
    depth[6:9, 6:9] = torch.nan
    camera = still_camera(1, 20.0, 17, 17)
    whole, holed = surface(torch.full((17, 17), 3.0), camera, step), surface(depth, camera, step)
    assert torch.isfinite(holed.points).all() and len(holed.triangles) < len(whole.triangles)
    row, column = (holed.pixels // 17)[holed.triangles].float(), (holed.pixels % 17)[holed.triangles].float()
    inside = lambda value: (value.amax(-1) > 6) & (value.amin(-1) < 8)
    assert not (inside(row) & inside(column)).any()  # no triangle reaches into the hole
    assert len(point_cloud(depth, camera, step).points) == torch.isfinite(depth[::step, ::step]).sum()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 8)])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_small_pictures(size, step):
    depth, camera = torch.ones(size), still_camera(1, 10.0, *size)
    found = surface(depth, camera, step)
    cells = ((size[0] - 1) // step) * ((size[1] - 1) // step)
    assert len(found.triangles) == 2 * cells and (len(found.points) == 0) == (cells == 0)
    assert len(point_cloud(depth, camera, step).points) == -(-size[0] // step) * -(-size[1] // step)


def test_nothing_known_is_an_empty_surface():
    depth, camera = torch.full((5, 6), torch.nan), still_camera(1, 10.0, 5, 6)
    for found in (surface(depth, camera), surface(depth, camera, 2), point_cloud(depth, camera)):
        assert found.points.shape == (0, 3) and found.triangles.shape == (0, 3)


def test_poses_of_opencv_become_a_world_with_y_up():
    """A camera one metre to the right and two metres up in a world whose y points down."""
    matrices = torch.eye(4)[None, :3].clone()
    matrices[0, :, 3] = torch.tensor([-1.0, 2.0, 0.0])  # to the camera: minus its position (1, -2, 0)
    camera = posed_camera(matrices, 10.0, 5, 5)
    torch.testing.assert_close(camera.position[0], torch.tensor([1.0, 2.0, 0.0]))
    torch.testing.assert_close(camera_to_world(camera)[0, :3, :3], torch.eye(3))
    cloud = point_cloud(torch.full((5, 5), 3.0), camera)
    torch.testing.assert_close(cloud.points[12], torch.tensor([1.0, 2.0, -3.0]))


def test_linear_light_is_undone_by_another_formula():
    values = torch.linspace(0, 1, 256)
    np.testing.assert_allclose(encoded(linear(values).numpy()), values.numpy(), atol=2e-4)
