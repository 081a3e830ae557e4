"""The depth nodes on the host's own types: pictures, geometries, masks and curves."""

import logging

import pytest
import torch
from comfy_extras.nodes_curve import CurveEditor
from comfy_extras.nodes_depth_anything_3 import DA3Render
from pack.nodes.depth.heat_map import DepthToHeatMap, HeatMapToDepth
from pack.nodes.depth.normalize import NormalizeDepth
from pack.nodes.depth.remap import RemapDepth
from pack.nodes.inputs import checks
from pack.nodes.inputs.depth import read_depth
from torch._subclasses.fake_tensor import FakeTensorMode

SETTINGS = {"depth_type": "near is white", "depth_scale": "linear", "output_polarity": "near is white"}
RANGES = {
    "min-max": {},
    "percentile": {"near_percent": 1.0, "far_percent": 99.0},
    "fixed": {"near_depth": 0.0, "far_depth": 1.0},
}


def normalize(depth, range="min-max", **settings):
    own = RANGES[range]
    chosen = {"range": range, **{name: settings.pop(name, value) for name, value in own.items()}}
    return NormalizeDepth.execute(depth=depth, range=chosen, **{**SETTINGS, **settings}).result


def remap(depth, **settings):
    settings = {"near_grey": 1.0, "far_grey": 0.0, "gamma": 1.0, "invert": False, **settings}
    return RemapDepth.execute(depth=depth, **settings)[0]


def image(plane):
    return plane[..., None].repeat(1, 1, 1, 3)


def walking(frames=8):
    depth = torch.full((frames, 20, 30), 4.0)
    depth[:, :3] = 9.0
    depth[:, 8:14, 8:14] = torch.linspace(6, 1, frames)[:, None, None]
    return depth


def test_settings_are_the_defaults_of_the_node():
    schema = NormalizeDepth.GET_SCHEMA()
    assert {i.id: i.default for i in schema.inputs if i.id in SETTINGS} == SETTINGS
    (ranges,) = (i for i in schema.inputs if i.id == "range")
    assert {option.key: {i.id: i.default for i in option.inputs} for option in ranges.options} == RANGES
    assert schema.inputs[0].get_io_type() == "IMAGE,DA3_GEOMETRY,MOGE_GEOMETRY,VIDEO"


def test_every_range_by_its_own_numbers():
    depth = {"depth": torch.tensor([[[1.0, 2.0, 3.0, 5.0]]])}
    assert normalize(depth, "fixed", near_depth=1.0, far_depth=3.0)[0][0, 0, :, 0].tolist() == [1.0, 0.5, 0.0, 0.0]
    picture, near, far, _ = normalize(depth, "percentile", near_percent=0.0, far_percent=100.0)
    assert (near, far) == (1.0, 5.0) and torch.equal(picture, normalize(depth)[0])
    assert normalize(depth, "percentile", near_percent=50.0)[1] == 2.5


@pytest.mark.parametrize("range", RANGES)
def test_a_prompt_of_the_page_gives_the_range_and_its_own_numbers(range):
    """The host nests range.near_percent and its like; numbers of another range are not asked for."""
    from comfy_api.latest._io import build_nested_inputs, get_finalized_class_inputs

    live = {"range": range, **{f"range.{name}": value for name, value in RANGES[range].items()}}
    schema, _, data = get_finalized_class_inputs(NormalizeDepth.INPUT_TYPES(), live)
    assert {name for name in schema["required"] if name.startswith("range.")} == live.keys() - {"range"}
    assert build_nested_inputs(live, data)["range"] == {"range": range, **RANGES[range]}


def test_still_pixel_keeps_its_grey_where_the_hosts_render_flickers():
    geometry = {"depth": walking(), "image": torch.zeros(8, 20, 30, 3), "mode": "mono"}
    host = DA3Render.execute(geometry, {"output": "depth", "normalization": "min_max", "apply_sky_clip": False})[0]
    ours = normalize(geometry, depth_scale="inverse")[0]
    still = lambda clip: float(clip[:, 18, 25].max() - clip[:, 18, 25].min())
    assert still(host) > 0.1 and still(ours) == 0
    assert ours.shape == (8, 20, 30, 3) and (ours[..., 0] == ours[..., 2]).all()


def test_geometry_is_a_distance_whatever_the_depth_type():
    one, other = (normalize({"depth": walking()}, depth_type=name) for name in ("near is white", "distance"))
    assert torch.equal(one[0], other[0]) and one[1:3] == other[1:3] == (1.0, 9.0)
    assert one[0][-1, 10, 10, 0] == 1, "the nearest is white"


def test_mask_of_moge_and_sky_of_da3_are_respected():
    depth = walking()
    depth[:, :3] = float("inf")
    mask = torch.isfinite(depth)
    picture, near, far, valid = normalize({"depth": depth, "mask": mask})
    assert (near, far) == (1.0, 6.0) and torch.equal(valid, mask.float()) and not picture[:, :3].any()
    sky = torch.zeros(8, 20, 30)
    sky[:, :3] = 0.9
    picture, near, far, valid = normalize({"depth": walking(), "sky": sky})
    assert (near, far) == (1.0, 6.0) and not valid[:, :3].any() and not picture[:, :3].any()


def test_a_geometry_that_was_left_on_the_gpu_comes_to_where_pictures_are():
    with FakeTensorMode():
        depth, valid, _ = read_depth({"depth": torch.empty(2, 4, 6, device="cuda")}, "distance")
    assert depth.device.type == valid.device.type == "cpu"


def test_sky_mask_of_one_frame_and_of_another_size_serves_the_clip():
    sky = torch.zeros(1, 40, 60)
    sky[:, :6] = 1
    picture, near, far, valid = normalize({"depth": walking()}, sky_mask=sky)
    assert (near, far) == (1.0, 6.0) and not valid[:, :3].any() and valid[:, 3:].all() and not picture[:, :3].any()
    empty, full = torch.zeros(20, 30), torch.ones(8, 20, 30)
    assert normalize({"depth": walking()}, sky_mask=empty)[2] == 9.0
    with pytest.raises(ValueError, match="every pixel is sky"):
        normalize({"depth": walking()}, sky_mask=full)


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (63, 65), (8, 256)])
def test_any_length_and_size(frames, size):
    depth = torch.rand(frames, *size, 3)
    picture, near, far, valid = normalize(image(depth[..., 0]))
    assert picture.shape == depth.shape and valid.shape == depth.shape[:3] and isinstance(near, float)
    for node in (lambda: remap(picture, gamma=2.0), lambda: DepthToHeatMap.execute(picture, "hot")[0]):
        assert node().shape == picture.shape


@pytest.mark.parametrize("node", [normalize, remap, lambda d: DepthToHeatMap.execute(d, "hot")[0]])
def test_grey_rgb_and_rgba_are_one(node):
    grey = torch.rand(2, 6, 5, 1)
    rgb, rgba = grey.repeat(1, 1, 1, 3), torch.cat((grey, grey, grey, torch.rand(2, 6, 5, 1)), -1)
    first = [out[0] if isinstance(out, list | tuple) else out for out in map(node, (grey, rgb, rgba))]
    assert torch.equal(first[0], first[1]) and torch.equal(first[1], first[2])


def test_depth_pictures_of_any_range_with_gaps():
    depth = walking()
    depth[2, 4, 4] = float("nan")
    picture, near, far, valid = normalize(image(depth), depth_type="far is white")
    assert (near, far) == (1.0, 9.0) and valid.sum() == valid.numel() - 1 and torch.isfinite(picture).all()


@pytest.mark.parametrize("name", ["hot", "turbo", "grey", "viridis"])
def test_heat_map_and_back(name):
    depth = image(torch.rand(2, 9, 11))
    heat = DepthToHeatMap.execute(depth, name)[0]
    assert heat.shape == depth.shape
    assert (HeatMapToDepth.execute(heat, name)[0] - depth).abs().max() < 0.1 / 255


@pytest.mark.parametrize("name", ["turbo", "spectral"])
def test_a_reversed_heat_map_and_back(name):
    depth = image(torch.rand(2, 9, 11))
    heat = DepthToHeatMap.execute(depth, name, True)[0]
    assert torch.equal(heat, DepthToHeatMap.execute(1 - depth, name)[0])
    assert (HeatMapToDepth.execute(heat, name, True)[0] - depth).abs().max() < 0.5 / 255
    assert (HeatMapToDepth.execute(heat, name)[0] - (1 - depth)).abs().max() < 0.5 / 255


def test_the_report_names_the_map_that_fits(caplog):
    heat = DepthToHeatMap.execute(image(torch.rand(2, 9, 11)), "turbo")[0]
    with caplog.at_level(logging.INFO):
        right, wrong = (HeatMapToDepth.execute(heat, name)[1] for name in ("turbo", "jet"))
    assert "beside the colour map turbo on average" in right and "set colormap" not in right
    assert "set colormap to turbo." in wrong
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert right in caplog.text and wrong in caplog.text and len(warned) == 1 and "turbo fits better" in warned[0]


def test_a_heat_map_in_place_of_depth_is_named():
    heat = DepthToHeatMap.execute(image(torch.rand(2, 9, 11)), "hot")[0]
    for node in (normalize, remap):
        with pytest.raises(ValueError, match="got colours: put Heat Map to Depth in front"):
            node(heat)


@pytest.mark.parametrize("interpolation", ["linear", "monotone_cubic"])
def test_curve_of_the_host_fades_the_change_in(interpolation):
    from comfy_api.input import CurveInput  # on top, before comfy_api.latest, it is a circular import of the host

    depth = image(torch.rand(5, 4, 6))
    raw = {"points": [[0, 0], [1, 1]], "interpolation": interpolation}
    for curve in (raw, CurveInput.from_raw(raw), CurveEditor.execute(raw)[0]):
        out = remap(depth, invert=True, strength_curve=curve)
        for frame, amount in enumerate((0, 0.25, 0.5, 0.75, 1)):
            expected = depth[frame] * (1 - amount) + (1 - depth[frame]) * amount
            assert torch.allclose(out[frame], expected, atol=1e-5)


def test_curve_on_one_frame_is_its_beginning_and_no_curve_is_the_whole_change():
    depth = image(torch.rand(1, 4, 6))
    assert torch.equal(remap(depth, invert=True, strength_curve=[[0, 0], [1, 1]]), depth)
    assert torch.equal(remap(depth, invert=True), 1 - depth)


def test_inputs_are_not_written_to():
    depth, sky = image(torch.rand(2, 5, 5)), torch.zeros(2, 5, 5)
    kept = depth.clone(), sky.clone()
    normalize(depth, sky_mask=sky), remap(depth, gamma=2.0), DepthToHeatMap.execute(depth, "hot")
    mask = torch.ones(2, 5, 5, dtype=torch.bool)
    normalize({"depth": depth[..., 0], "mask": mask}, sky_mask=1 - sky * 0 - 1)
    assert torch.equal(depth, kept[0]) and torch.equal(sky, kept[1]) and mask.all()


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda: normalize(torch.zeros(0, 4, 4, 3)), "at least one frame with pixels"),
        (lambda: normalize(torch.zeros(4, 4, 3)), r"IMAGE batch \(N, H, W, 3\), got a tensor of shape \(4, 4, 3\)"),
        (lambda: normalize({"points": 1}), "a geometry with depth .* got NoneType"),
        (lambda: normalize({"depth": torch.zeros(0, 4, 4)}), r"got a tensor of shape \(0, 4, 4\)"),
        (
            lambda: normalize(image(walking()), sky_mask=torch.zeros(3, 20, 30)),
            "sky_mask: expected 1 or 8 masks for 8 frames, got 3",
        ),
        (lambda: normalize(image(walking()), sky_mask=torch.zeros(0, 20, 30)), "sky_mask: expected at least one mask"),
        (lambda: remap(image(walking())), "expected depth from 0 to 1, got up to 9: put Normalize Depth"),
        (
            lambda: remap(image(torch.rand(1, 2, 2)), near_grey=0.8, far_grey=0.8),
            "two different greys as near_grey and far_grey, got 0.8 twice",
        ),
        (lambda: DepthToHeatMap.execute(torch.rand(1, 2, 2, 3) * float("nan"), "hot"), "12 NaN or infinite values"),
        (lambda: HeatMapToDepth.execute(torch.rand(1, 2, 2, 2), "hot"), "heat_map: expected an IMAGE batch"),
    ],
)
def test_refusals(call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call()


def test_check_of_pictures():
    images = torch.rand(4, 3, 5, 3)
    assert torch.equal(checks.rgb(images), images)
    images[2, 1, 1, 0], images[3, 0, 0, :2] = float("nan"), float("inf")
    with pytest.raises(ValueError, match="clip: expected finite numbers, got 3 NaN .*, the first in frame 2"):
        checks.rgb(images, "clip")
    with pytest.raises(ValueError, match="got up to 255"):
        checks.rgb(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    with pytest.raises(ValueError, match="got NoneType"):
        checks.rgb(None)


def test_check_of_masks():
    assert checks.mask(torch.rand(3, 4)).shape == (1, 3, 4)
    assert checks.mask(torch.rand(1, 3, 4), frames=6).shape == (6, 3, 4)
    labels = torch.tensor([[[0.0, 1.0], [0.5, 0.2]]])
    larger = checks.mask(labels, frames=2, size=(4, 4))
    assert torch.equal(larger[1], labels[0].repeat_interleave(2, 0).repeat_interleave(2, 1))
    with pytest.raises(ValueError, match="person: expected 1 or 5 masks for 5 frames, got 4"):
        checks.mask(torch.rand(4, 2, 2), "person", frames=5)
    with pytest.raises(ValueError, match="a MASK batch"):
        checks.mask(torch.rand(1, 2, 2, 3))
    with pytest.raises(ValueError, match="first in frame 1"):
        checks.mask(torch.tensor([[[0.0]], [[float("nan")]]]))


def test_check_of_frame_counts():
    assert checks.same_frames(video=torch.rand(3, 2), depth=torch.rand(3, 4), mask=None) == 3
    assert checks.same_frames() == 0
    with pytest.raises(ValueError, match="video has 3, depth has 2, pose has 3: trim the longer ones"):
        checks.same_frames(video=torch.rand(3), depth=torch.rand(2), pose=[{}, {}, {}])


def test_check_of_sizes():
    checks.same_size(depth=torch.rand(2, 4, 6, 3), mask=torch.rand(1, 4, 6))
    with pytest.raises(ValueError, match="one size, but depth is 6 x 4, other is 4 x 6: put Upscale Image in front"):
        checks.same_size(depth=torch.rand(2, 4, 6), other=torch.rand(2, 6, 4, 3))
