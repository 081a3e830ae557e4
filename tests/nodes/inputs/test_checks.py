"""What a picture, a mask or a depth must be, and the sentence where it is not."""

import pytest
import torch
from pack.models.depth.colormap import encode
from pack.nodes.inputs import checks, clips
from pack.nodes.inputs.depth import grey

NAN, INF = torch.nan, torch.inf


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def picture_of(plane):
    return plane[..., None].repeat(1, 1, 1, 3)


# --- NaN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    "check",
    [
        lambda clip: checks.rgb(clip, "one"),
        lambda clip: checks.mask(clip[..., 0], "one"),
        lambda clip: clips.masks(clip[..., 0], "one"),
        lambda clip: grey(clip[..., :1], "one"),
        lambda clip: checks.finite(clip[..., 0], "one"),
    ],
    ids=["rgb", "mask", "masks", "grey", "finite"],
)
def test_the_frame_of_a_nan_is_named_and_all_are_counted(check, value):
    clip = rand(5, 6, 7, 3)
    clip[3, 2, 1, 0] = clip[4, 0, :2, 0] = value
    with pytest.raises(
        ValueError, match="one: expected finite numbers, got 3 NaN or infinite values, the first in frame 3"
    ):
        check(clip)


@pytest.mark.parametrize("depth_type", ["near is white", "distance"])
def test_nan_in_depth_is_no_depth_there_but_a_frame_of_it_is_refused(depth_type):
    depth = rand(4, 6, 7, 1)
    depth[:, 0] = NAN
    assert torch.isnan(clips.depth(depth, depth_type, 4)[0][:, 0]).all()
    depth[2] = NAN
    with pytest.raises(ValueError, match="depth: expected depth in every frame, got only NaN in frame 2"):
        clips.depth(depth, depth_type, 4)
    geometry = {"depth": torch.full((4, 6, 7), NAN)}
    with pytest.raises(ValueError, match="depth: expected depth in every frame, got only NaN in frame 0"):
        clips.depth(geometry, depth_type, 4)


def test_a_frame_of_sky_alone_is_infinitely_far():
    plane, sky = torch.ones(2, 6, 7), torch.zeros(2, 6, 7)
    sky[1] = 1
    assert torch.isinf(clips.depth({"depth": plane, "sky": sky}, "distance", 2)[0][1]).all()
    with pytest.raises(ValueError, match="depth: expected depth in at least one pixel of 2 frames, got none"):
        clips.depth({"depth": plane, "sky": torch.ones(2, 6, 7)}, "distance", 2)


# --- colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("near", [0.15, 0.5, 0.7])
@pytest.mark.parametrize("colormap", ["hot", "turbo", "jet", "viridis"])
def test_a_heat_map_is_no_grey_depth_however_dark_it_is(colormap, near, background):
    depth = torch.full((2, 40, 40), background)
    depth[:, 18:24, 18:24] = near
    for check in (lambda clip: checks.depth(clip), lambda clip: clips.depth(clip, "near is white", 2)):
        with pytest.raises(ValueError, match="expected a grey depth picture, got colours: put Heat Map to Depth"):
            check(encode(depth, colormap))


def test_grey_depth_with_the_noise_of_a_decoder_is_grey():
    plane = torch.zeros(2, 40, 40)
    plane[:, 18:24, 18:24] = 0.6
    noisy = (picture_of(plane) + 0.03 * (rand(2, 40, 40, 3) - 0.5)).clamp(0, 1)
    assert (checks.depth(noisy) - plane).abs().max() < 0.03
    metres = 40 * picture_of(rand(2, 40, 40))
    metres[0, 0] = NAN
    assert torch.equal(checks.depth(metres)[1], metres[1, ..., 0])


# --- ranges ----------------------------------------------------------------------------------------------------------


def test_hdr_pictures_are_taken_and_shown_as_the_host_saves_them():
    hdr = 0.4 * rand(3, 20, 20, 3)
    hdr[1, 4:8, 4:8] = 60.0
    hdr[2, 0, 0] = -0.2
    assert torch.equal(checks.rgb(hdr), hdr.clamp(0, 1))
    kept = clips.pictures(hdr)
    assert torch.equal(kept, hdr) and kept.data_ptr() == hdr.data_ptr()


@pytest.mark.parametrize(
    "images",
    [
        (255 * rand(2, 9, 9, 3)).round(),
        (255 * rand(2, 9, 9, 3)).byte(),
        (255 * (rand(2, 40, 40, 3) > 0.99)).float(),
        40 * rand(2, 9, 9, 1),
    ],
    ids=["floats", "bytes", "mostly black", "dark"],
)
def test_bytes_are_refused(images):
    for check in (checks.rgb, clips.pictures):
        with pytest.raises(ValueError, match=r"images: expected values from 0 to 1, got up to .*\(0..255\?\)"):
            check(images)


def test_masks_of_0_to_255_are_refused():
    mask = (255 * rand(2, 9, 9)).byte()
    for check in (lambda: checks.mask(mask, "one"), lambda: clips.masks(mask, "one")):
        with pytest.raises(ValueError, match=r"one: expected values from 0 to 1, got up to 25\d \(0..255\?\)"):
            check()
    assert torch.equal(checks.mask(mask > 128, "one"), (mask > 128).float())


def test_depth_in_metres_is_sent_to_normalize_depth():
    with pytest.raises(ValueError, match="depth: expected depth from 0 to 1, got up to 4: put Normalize Depth"):
        grey(picture_of(torch.full((2, 5, 5), 4.0)))


def test_nothing_is_copied_that_can_be_read():
    images, mask = rand(3, 8, 8, 3), rand(3, 8, 8)
    assert checks.rgb(images).data_ptr() == clips.pictures(images).data_ptr() == images.data_ptr()
    assert clips.masks(mask, "mask").data_ptr() == mask.data_ptr()
