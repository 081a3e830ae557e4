"""The camera nodes on pictures, geometry and the host's curves and cameras; what they refuse."""

import pytest
import torch
from comfy_extras.nodes_curve import CurveEditor
from comfy_extras.nodes_gaussian_splat import CreateCameraInfo
from pack.nodes.view.focus import DepthOfField
from pack.nodes.view.move import MoveCamera
from pack.nodes.view.stereo import StereoFromDepth

GREYS = {"depth_type": "near is white", "near_depth": 2.0, "far_depth": 6.0, "depth_scale": "inverse"}
METRES = {"depth_type": "distance"}
HOLES = {"hole_filling": "background", "use_other_frames": False, "sharpen_edges": 0, "trim_edges": 0}
SIDE_BY_SIDE = {"stereo_layout": "side by side", "half_size": False}


def clip(frames=3, height=32, width=48):
    """A red card that moves in front of a patterned wall: images, depth in metres."""
    wall = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(5)) * 0.5
    images, depth = wall.repeat(frames, 1, 1, 1), torch.full((frames, height, width, 3), 6.0)
    for index in range(frames):
        columns = slice(6 + 9 * index, 16 + 9 * index)
        images[index, 8:24, columns], depth[index, 8:24, columns] = torch.tensor([1.0, 0.0, 0.0]), 2.0
    return images, depth


def stereo(images, depth, **changes):
    settings = {
        "depth_type": METRES, "field_of_view": 60.0, "eye_distance": 300.0, "convergence_distance": 6.0,
        "stereo_layout": SIDE_BY_SIDE, "clip_eye": "left", "swap_eyes": False, "screen_width": 1.2,
        "viewing_distance": 2.5, **HOLES, **changes,
    }  # fmt: skip
    return StereoFromDepth.execute(images=images, depth=depth, **settings).result


def move(images, depth, path="truck", amount=0.3, **changes):
    name = {"orbit": "path_angle", "pan": "path_angle", "tilt": "path_angle", "zoom": "zoom_factor"}
    settings = {
        "depth_type": METRES, "field_of_view": 60.0, "ease": "linear", "loop": False, "path_frames": 5,
        "camera_path": {"camera_path": path, name.get(path, "path_distance"): amount, "pivot_distance": 0.0},
        **HOLES, **changes,
    }  # fmt: skip
    return MoveCamera.execute(images=images, depth=depth, **settings).result


def focused(images, depth, focus, aperture=None, **changes):
    settings = {"depth_type": METRES, "field_of_view": 60.0, "sharpen_edges": 0, **changes}
    aperture = aperture or {"aperture": "blur radius", "blur_radius": 6.0}
    return DepthOfField.execute(images=images, depth=depth, focus=focus, aperture=aperture, **settings).result


# --- stereo ----------------------------------------------------------------------------------------------------------


def test_the_clips_own_eye_keeps_its_picture():
    images, depth = clip()
    pair, left, right, left_holes, right_holes, report = stereo(images, depth)
    assert torch.equal(left, images) and not left_holes.any() and right_holes.any()
    assert torch.equal(pair, torch.cat((left, right), 2))
    # 48 pixels wide at 60 degrees: 41.6 pixels of focal length * 0.3 m * (1/6 - 1/2) = -4.2 pixels.
    red = lambda eye: (eye[0, 12, :, 0] > 0.9).nonzero()[:, 0].float().mean()
    assert red(right) - red(left) == pytest.approx(-4.2, abs=0.6)
    assert "Nearest point: 2 m" in report and "Farthest point: 6 m" in report


def test_both_eyes_from_the_middle():
    images, depth = clip()
    _, left, right, left_holes, right_holes, _ = stereo(images, depth, clip_eye="middle")
    red = lambda eye: (eye[0, 12, :, 0] > 0.9).nonzero()[:, 0].float().mean()
    assert red(left) > 10.5 > red(right) and left_holes.any() and right_holes.any()


def test_layouts():
    images, depth = clip()
    _, left, right, *_ = stereo(images, depth)
    swapped = stereo(images, depth, swap_eyes=True)[0]
    assert torch.equal(swapped, torch.cat((right, left), 2))
    shape = lambda **layout: tuple(stereo(images, depth, stereo_layout=layout)[0].shape)
    assert shape(stereo_layout="side by side", half_size=True) == (3, 32, 48, 3)
    assert shape(stereo_layout="over under", half_size=False) == (3, 64, 48, 3)
    assert shape(stereo_layout="over under", half_size=True) == (3, 32, 48, 3)
    assert shape(stereo_layout="anaglyph") == (3, 32, 48, 3)
    assert shape(stereo_layout="VR180 fisheye", fisheye_size=64) == (3, 64, 128, 3)


def test_vr180_is_black_outside_the_field_of_the_clip():
    images, depth = clip()
    _, left, _, holes, _, report = stereo(
        images + 0.2, depth, stereo_layout={"stereo_layout": "VR180 fisheye", "fisheye_size": 96}
    )
    assert not left[:, :20].any() and not left[:, :, :20].any() and left[:, 48, 48].all()
    assert not holes[:, :20].any() and "headset" in report
    layout = {"stereo_layout": "VR180 fisheye", "fisheye_size": 96}
    grey = stereo(images + 0.2, depth, stereo_layout=layout, hole_filling="grey")[2]
    assert not grey[:, :20].any(), "what lies outside the field of the clip is no hole"


def test_grey_holes_are_neutral_and_masked():
    images, depth = clip()
    _, _, right, _, holes, _ = stereo(images, depth, hole_filling="grey")
    assert (right[holes > 0.5] == 0.5).all()


# --- moved camera ----------------------------------------------------------------------------------------------------


def test_one_picture_becomes_a_clip():
    images, depth = clip(1)
    moved, holes, unfilled, grey, near, far, report = move(images, depth)
    assert moved.shape == (5, 32, 48, 3) and holes.shape == (5, 32, 48) and torch.equal(holes, unfilled)
    torch.testing.assert_close(moved[0], images[0], atol=1e-3, rtol=0)
    assert not holes[0].any() and holes[4].sum() > holes[1].sum() > 0
    assert (near, far) == pytest.approx((2.0, 6.0), rel=1e-4) and grey[4, 12, :, 0].max() == 1
    assert "in frame 4" in report


def test_the_moved_depth_reads_back_as_the_same_metres():
    """Its greys with near_depth and far_depth are an input of these nodes again: there and back is the same depth."""
    images, depth = clip(1)
    moved, _, _, grey, near, far, _ = move(images, depth, "dolly", 0.5)
    type_of = {"depth_type": "near is white", "near_depth": near, "far_depth": far, "depth_scale": "inverse"}
    _, holes, _, grey, near, far, _ = move(moved, grey, "dolly", -0.5, depth_type=type_of)
    metres = 1 / (1 / far + (1 / near - 1 / far) * grey[4, ..., 0])
    same = ((metres - depth[0, ..., 0]).abs() < 0.02 * metres)[holes[4] < 0.5]
    assert same.float().mean() > 0.95  # a pixel of the card's edge is another one after two moves
    assert holes[4, 0].all(), "a camera that goes back sees an empty border"


@pytest.mark.parametrize("path", ["dolly", "truck", "pedestal", "orbit", "sway", "pan", "tilt", "zoom"])
def test_every_path_runs_and_loops(path):
    images, depth = clip(1)
    moved = move(
        images, depth, path, 1.2 if path == "zoom" else 0.3 if path in ("dolly", "truck", "sway") else 2.0, loop=True
    )[0]
    torch.testing.assert_close(moved[0], images[0], atol=1e-3, rtol=0)
    if path not in ("sway",):  # a sway goes to both sides on its way
        torch.testing.assert_close(moved[1], moved[4], atol=1e-3, rtol=0)
    assert not torch.allclose(moved[1], images[0], atol=1e-2)


def test_a_curve_draws_the_motion():
    images, depth = clip()
    curve = CurveEditor.execute(
        curve={"points": [[0.0, 1.0], [0.5, 0.0], [1.0, 1.0]], "interpolation": "linear"}
    ).result[0]
    moved, holes, *_ = move(images, depth, motion_curve=curve)
    torch.testing.assert_close(moved[1], images[1], atol=1e-3, rtol=0)
    assert holes[0].any() and not holes[1].any() and holes[2].any()


def test_a_camera_of_the_host():
    images, depth = clip(1)
    mode = {"mode": "look_at", "position_x": 0.3, "position_y": 0.0, "position_z": 0.0}
    info = CreateCameraInfo.execute(mode=mode, target_x=0.3, target_y=0.0, target_z=-5.0, roll=0.0, fov=0.0).result[0]
    by_camera = move(images, depth, camera_path={"camera_path": "camera info"}, camera_info=info)[0]
    torch.testing.assert_close(by_camera[4], move(images, depth)[0][4], atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="camera_info: expected"):
        move(images, depth, camera_path={"camera_path": "camera info"})


def test_holes_show_other_frames_and_the_scene():
    images, depth = clip()
    plain = move(images, depth, hole_filling="grey")
    others = move(images, depth, hole_filling="grey", use_other_frames=True)
    assert torch.equal(plain[1], others[1]) and others[2].sum() < plain[2].sum()
    wall = clip(1)[0].clone()
    wall[0, 8:24, 6:16] = images[2, 8:24, 6:16]  # where frame 2 shows it
    scene = move(images, depth, hole_filling="grey", scene=wall, scene_depth=torch.full_like(wall, 6.0))
    torch.testing.assert_close(scene[2], others[2])
    torch.testing.assert_close(scene[0], others[0], atol=1e-3, rtol=0)
    assert (plain[0][plain[2] > 0.5] == 0.5).all() and "Filled from scene" in others[6]


def test_the_frames_go_into_wan_vace():
    """Grey 0.5 where the mask is white, and as many masks as frames, which is what the host's node multiplies."""
    images, depth = clip(1)
    moved, _, mask, *_ = move(images, depth, hole_filling="grey", path_frames=5)
    inactive = (moved - 0.5) * (1 - mask[..., None]) + 0.5
    torch.testing.assert_close(inactive, moved)  # nothing of the picture lies under the mask
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_geometry_with_its_own_camera_and_sky():
    images, depth = clip(1)
    matrix = torch.tensor([[41.57, 0, 24.0], [0, 41.57, 16.0], [0, 0, 1]])
    sky = torch.zeros(1, 32, 48)
    sky[:, :4] = 1
    geometry = {"depth": depth[..., 0], "sky": sky, "intrinsics": matrix.expand(1, 1, 3, 3)}
    moved, holes, *_ = move(images, geometry, field_of_view=0.0)
    below = holes[4] < 0.5
    below[:10] = False
    torch.testing.assert_close(moved[4][below], move(images, depth)[0][4][below], atol=0.02, rtol=0)
    torch.testing.assert_close(moved[4, :3], images[0, :3], atol=0.05, rtol=0)  # the sky is too far away to move


def test_depth_of_another_size():
    images, depth = clip(1)
    large = torch.nn.functional.interpolate(depth.movedim(-1, 1), scale_factor=2, mode="nearest").movedim(1, -1)
    torch.testing.assert_close(move(images, large)[0], move(images, depth)[0], atol=1e-3, rtol=0)


# --- depth of field --------------------------------------------------------------------------------------------------


def test_focus_by_distance_point_and_mask_agree():
    images, depth = clip(1)
    by_distance, blur, report = focused(images, depth, {"focus": "distance", "focus_distance": 2.0})
    point = {"focus": "point", "point_x": 10.5 / 47, "point_y": 0.5}
    mask = (depth[..., 0] < 3).float()
    assert torch.equal(by_distance, focused(images, depth, point)[0])
    assert torch.equal(by_distance, focused(images, depth, {"focus": "mask"}, focus_mask=mask)[0])
    assert not blur[mask > 0.5].any() and (blur[mask < 0.5] == 1).all() and "Focus: 2 m" in report
    torch.testing.assert_close(by_distance[mask > 0.5], images[mask > 0.5], atol=1e-3, rtol=0)


def test_an_open_aperture_blurs_more():
    images, depth = clip(1)
    spread = [
        focused(
            images, depth, {"focus": "distance", "focus_distance": 2.0}, {"aperture": "f-number", "f_number": number}
        )[0]
        .std()
        .item()
        for number in (0.2, 64.0)
    ]
    assert spread[0] < spread[1]


def test_an_empty_mask_keeps_the_focus():
    images, depth = clip()
    mask = (depth[..., 0] < 3).float()
    mask[1] = 0
    _, blur, report = focused(images, depth, {"focus": "mask"}, focus_mask=mask)
    assert "Focus: 2 m" in report and not blur[1, 12, 18:22].any()
    with pytest.raises(ValueError, match="something white"):
        focused(images, depth, {"focus": "mask"}, focus_mask=torch.zeros(3, 32, 48))
    with pytest.raises(ValueError, match="focus_mask: expected a mask"):
        focused(images, depth, {"focus": "mask"})


# --- bad input -------------------------------------------------------------------------------------------------------

RUNS = {
    "stereo": stereo,
    "move": move,
    "focus": lambda images, depth, **changes: focused(
        images, depth, {"focus": "distance", "focus_distance": 2.0}, **changes
    ),
}
every_node = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


@every_node
def test_constant_depth_and_one_frame_run(run):
    images = clip(1)[0]
    out = run(images, torch.full((1, 32, 48, 3), 3.0))[0]
    assert torch.isfinite(out).all()


@every_node
def test_scattered_bad_distances_run(run):
    images, depth = clip()
    depth[:, 3:6, 4:9], depth[:, 20, 30:40], depth[0, 0, 0] = torch.nan, -1.0, torch.inf
    assert torch.isfinite(run(images, depth)[0]).all()


@every_node
@pytest.mark.parametrize("change, message", [
    ({"images": torch.zeros(0, 32, 48, 3)}, "at least one frame"),
    ({"images": torch.full((3, 32, 48, 3), torch.nan)}, "finite"),
    ({"images": torch.rand(2, 32, 48, 3)}, "same number of frames"),
    ({"images": torch.rand(3, 32, 32, 3)}, "expected the shape of images"),
    ({"depth": torch.full((3, 32, 48, 3), torch.nan)}, "got none in frame 0"),
    ({"depth": torch.full((3, 32, 48, 3), -2.0)}, "got none in frame 0"),
    ({"depth": torch.rand(3, 32, 48, 3) * 9, "depth_type": GREYS}, "colours|0 to 1"),
])  # fmt: skip
def test_bad_clips_are_refused_in_a_sentence(run, change, message):
    images, depth = clip()
    with pytest.raises(ValueError, match=message):
        run(**{"images": images, "depth": depth, **change})


def test_a_camera_that_leaves_the_clip_behind_says_so():
    images, depth = clip(1)
    with pytest.raises(ValueError, match="nothing in frame"):
        move(images, depth, "dolly", 1e6)
    with pytest.raises(ValueError, match="nothing in frame"):
        move(images, depth, "pan", 180.0)
    inside = move(images, depth, "dolly", 3.0)[0]
    assert torch.isfinite(inside).all(), "inside the room the card is behind the camera"


def test_a_scene_without_its_depth_is_refused():
    images, depth = clip()
    with pytest.raises(ValueError, match="scene_depth: expected"):
        move(images, depth, scene=images)
    with pytest.raises(ValueError, match="scene: expected"):
        stereo(images, depth, scene_depth=depth)
    with pytest.raises(ValueError, match="scene: expected pictures of 48 x 32"):
        move(images, depth, scene=images[:, :16, :24], scene_depth=depth[:, :16, :24])


def test_inputs_stay_as_they_are():
    images, depth = clip()
    copies = images.clone(), depth.clone()
    for run in RUNS.values():
        run(images, depth)
    assert torch.equal(images, copies[0]) and torch.equal(depth, copies[1])
