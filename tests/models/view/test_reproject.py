"""A picture seen by another camera: where points land, what hides what, and where holes are."""

import math

import pytest
import torch
from pack.models.view.camera import Camera, look_at
from pack.models.view.lens import between, fisheye, moved
from pack.models.view.path import Pose, turned
from pack.models.view.reproject import reproject
from pack.models.view.surface import joins, nearness_of, sharpened

SIZE = (48, 64)
FOCAL = 60.0
RED, GREEN = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def grid(size=SIZE):
    y, x = torch.meshgrid(torch.arange(size[0]).float(), torch.arange(size[1]).float(), indexing="ij")
    return x, y


def ramp(size=SIZE):
    """A picture whose colour says where it is."""
    x, y = grid(size)
    return torch.stack((x / (size[1] - 1), y / (size[0] - 1), torch.zeros_like(x)), -1)


def shifted(*metres, rotation=None):
    """A camera moved by metres to the right, down and ahead."""
    return Pose(torch.eye(3, dtype=torch.float64) if rotation is None else rotation, torch.tensor(metres).double())


def box(near=2.0, far=6.0, rows=slice(14, 34), columns=slice(20, 44), size=SIZE):
    """A red card in front of a green wall: picture, depth."""
    depth, picture = torch.full(size, far), GREEN.expand(*size, 3).clone()
    depth[rows, columns], picture[rows, columns] = near, RED
    return picture, depth


def test_the_same_camera_gives_the_same_picture():
    picture, depth = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(0)), box()[1]
    view = reproject(picture, depth, shifted(0, 0, 0).lens(FOCAL, SIZE))
    assert not view.holes.any()
    torch.testing.assert_close(view.picture, picture, atol=1e-4, rtol=0)
    torch.testing.assert_close(view.depth, depth)


@pytest.mark.parametrize("metres", [(0.2, 0, 0), (0, 0.1, 0), (0, 0, 0.8), (-0.1, 0.1, -0.5)])
@pytest.mark.parametrize("slant", [0.0, 0.02])
def test_points_of_a_plane_land_where_the_camera_sees_them(metres, slant):
    x, y = grid()
    depth = 1 / (0.25 + slant / 10 * (x - 30) / 10 + slant / 20 * (y - 20) / 10)
    camera = Camera(torch.eye(3)[None], torch.zeros(1, 3), FOCAL, *SIZE)
    view = reproject(ramp(), depth, shifted(*metres).lens(FOCAL, SIZE))
    # From the moved camera back: the new pixel's point must lie where its colour was.
    points = camera.rays() * view.depth[..., None] + torch.tensor(metres)
    expected = camera.project(points) / torch.tensor([SIZE[1] - 1, SIZE[0] - 1])
    seen = ~view.holes & ((expected > 0.02) & (expected < 0.98)).all(-1)
    assert seen.float().mean() > 0.6
    torch.testing.assert_close(view.picture[..., :2][seen], expected[seen], atol=2e-3, rtol=0)


def test_a_lens_between_two_cameras_projects_as_they_do():
    positions = torch.tensor([[0.2, 1.0, 3.0], [0.6, 1.2, 2.5]])
    rotations = look_at(positions, torch.tensor([[0.0, 1.0, 0.0], [0.1, 0.9, 0.0]]))
    camera = Camera(rotations, positions, FOCAL, *SIZE)
    lens = between(camera, camera, 0, 1)
    x, y = grid()
    depth = 2.0 + x / 50
    world = (camera.rays() * depth[..., None]) @ rotations[0] + positions[0]
    there = (world - positions[1]) @ rotations[1].T
    to_x, to_y, distance = lens.places(x[0], y[:, :1], 1 / depth)
    torch.testing.assert_close(torch.stack((to_x, to_y), -1), camera.project(there), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(distance, there[..., 2])


@pytest.mark.parametrize("zoom", [1.0, 1.7, 3.0, 8.0])
@pytest.mark.parametrize("angle", [0, 12, -20])
def test_nothing_is_seen_through_a_surface(zoom, angle):
    """The nearer card is magnified, turned and slanted; not one pixel of the wall is inside it."""
    picture, depth = box(rows=slice(8, 40), columns=slice(12, 52))
    x, y = grid()
    card = depth < 3
    depth = torch.where(card, 1 / (0.5 + 0.004 * (x - 32) + 0.003 * (y - 24)), depth)
    pivot = torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64)
    rotation = turned(1, math.radians(angle)) @ turned(0, math.radians(angle / 2))
    pose = Pose(rotation, pivot - rotation.T @ pivot, zoom)
    lens = pose.lens(FOCAL, SIZE)
    view = reproject(picture, depth, lens)
    # The outline of the middles of the card's outermost pixels, in the new picture.
    corners = [(12, 8), (51, 8), (51, 39), (12, 39)]
    outline = []
    for column, row in corners:
        to_x, to_y, _ = lens.places(
            torch.tensor([float(column)]), torch.tensor([[float(row)]]), 1 / depth[row, column].view(1, 1)
        )
        outline.append((to_x.item(), to_y.item()))
    inside = torch.ones(SIZE, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(outline, outline[1:] + outline[:1], strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0
    assert inside.sum() > 300
    assert not view.holes[inside].any(), "a crack"
    assert torch.equal(view.picture[inside][:, 1], torch.zeros(int(inside.sum()))), (
        "the wall is visible through the card"
    )


def test_the_hole_beside_a_card_is_as_wide_as_the_parallax():
    picture, depth = box()
    view = reproject(picture, depth, shifted(0.2, 0, 0).lens(FOCAL, SIZE))
    # 60 pixels * 0.2 m * (1/2 - 1/6) = 4 pixels, to the right of the card, which moved by 6.
    inside = view.holes[20, :60]
    assert inside.nonzero()[:, 0].tolist() == [38, 39, 40, 41]
    assert torch.equal(view.picture[20, 14:38], RED.expand(24, 3))
    assert not view.picture[view.holes].any() and torch.isnan(view.depth[view.holes]).all()


def test_two_surfaces_are_not_joined_by_a_sheet():
    """Between a near and a far surface lies a hole, no stretched pixels of colours in between."""
    picture, depth = box()
    view = reproject(picture, depth, shifted(0.3, 0.1, 0.2).lens(FOCAL, SIZE))
    colours = view.picture[~view.holes]
    assert (torch.minimum((colours - RED).abs().amax(-1), (colours - GREEN).abs().amax(-1)) < 1e-3).all()
    assert set(view.depth[~view.holes].mul(100).round().tolist()) == {180.0, 580.0}


def test_a_slanted_floor_is_one_surface():
    """Its distances grow by a large part from row to row, yet evenly in 1 / distance."""
    y = grid()[1]
    depth = 1 / (0.02 + 0.03 * y / 6)
    right, down = joins(nearness_of(depth))
    assert right[:, :-1].all() and down[:-1].all()
    view = reproject(ramp(), depth, shifted(0.0, 0.0, 0.15).lens(FOCAL, SIZE))
    assert not view.holes[4:-4, 4:-4].any()


def test_a_step_between_two_walls_is_an_edge():
    right, down = joins(nearness_of(box()[1]))
    assert not right[20, 19] and not right[20, 43] and not down[13, 30] and right[20, 30] and right[5, 5]


def test_blurred_edges_of_estimated_depth_become_sharp():
    depth = torch.full((20, 30), 6.0)
    depth[:, 15:] = 2.0
    soft = depth.clone()
    soft[:, 13:16] = torch.tensor([4.5, 3.5, 2.6])
    assert set(sharpened(soft, 3).unique().tolist()) == {2.0, 6.0}
    assert torch.equal(sharpened(depth, 3), depth)
    slanted = 1 / (0.1 + 0.01 * grid((20, 30))[0])
    torch.testing.assert_close(sharpened(slanted, 0), slanted)


def test_points_behind_the_camera_are_not_drawn():
    picture, depth = box(near=2.0, far=6.0)
    view = reproject(picture, depth, shifted(0, 0, 3.0).lens(FOCAL, SIZE))
    assert torch.equal(view.picture[24, 32], GREEN) or view.holes[24, 32]
    assert not (view.picture[..., 0] > 0).any(), "the card is behind the camera"
    nothing = reproject(picture, depth, shifted(0, 0, 100.0).lens(FOCAL, SIZE))
    assert nothing.holes.all()


@pytest.mark.parametrize("value", [float("nan"), 0.0, -3.0, float("inf")])
def test_pixels_without_a_distance_are_not_drawn(value):
    picture, depth = box()
    depth[5:9, 5:9] = value
    view = reproject(picture, depth, shifted(0, 0, 0).lens(FOCAL, SIZE))
    assert view.holes[5:9, 5:9].all() and view.holes.sum() == 16
    assert torch.isfinite(view.picture).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 2)])
def test_the_smallest_pictures(size):
    view = reproject(torch.ones(*size, 3), torch.full(size, 2.0), shifted(0, 0, 0).lens(5.0, size))
    assert not view.holes.any() and (view.picture == 1).all()


def test_huge_amounts_end():
    picture, depth = box()
    for metres in ((1e6, 0, 0), (0, -1e9, 0), (0, 0, -1e7), (0, 0, 5.999)):
        view = reproject(picture, depth, shifted(*metres).lens(FOCAL, SIZE))
        assert torch.isfinite(view.picture).all()


def test_a_fisheye_puts_angles_at_equal_distances():
    size, side = (101, 101), 180
    picture, depth = ramp(size), torch.full(size, 3.0)
    lens = fisheye(torch.zeros(3), 50.0, size, side)
    x = torch.tensor([50.0, 100.0])  # straight ahead, 45 degrees
    to_x, to_y, _ = lens.places(x, torch.tensor([[50.0]]), torch.full((1, 2), 1 / 3))
    torch.testing.assert_close(to_x, torch.tensor([[89.5, 134.5]]), atol=1e-3, rtol=0)  # a degree a pixel
    torch.testing.assert_close(to_y, torch.full((1, 2), 89.5), atol=1e-3, rtol=0)
    view = reproject(picture, depth, lens)
    assert not view.holes[60:120, 60:120].any() and view.holes[:, :30].all()


def test_a_zoom_is_a_crop():
    picture = ramp()
    view = reproject(picture, torch.full(SIZE, 3.0), moved(torch.eye(3), torch.zeros(3), FOCAL, SIZE, 2 * FOCAL))
    x, y = grid()
    expected = torch.stack(((x + 31.5) / 2 / 63, (y + 23.5) / 2 / 47), -1)
    assert not view.holes.any()
    torch.testing.assert_close(view.picture[..., :2], expected, atol=1e-4, rtol=0)
