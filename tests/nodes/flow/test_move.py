"""Pictures and latents moved along a flow, composed flows, estimated flow and its pictures, against independent results."""

import cv2
import numpy as np
import pytest
import torch
from pack.models.flow.fields import from_grid, to_grid
from pack.models.lfdm.warp import coordinate_grid, fetch
from pack.models.stage import render, sample_scene
from pack.nodes.flow.compose import ComposeFlows
from pack.nodes.flow.drawing import DrawFlow
from pack.nodes.flow.estimate import EstimateFlow
from pack.nodes.flow.warp import WarpByFlow
from pack.nodes.stage.truth import flow as stage_flow

AUTO, FROM_STILL, TO_NEXT, TO_PREVIOUS = "auto", "from still", "to next frame", "to previous frame"
FRAMES, HEIGHT, WIDTH = 3, 24, 32


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def steady(dx, dy, frames=FRAMES, size=(HEIGHT, WIDTH), valid=1.0):
    """Everything is found at the same offset."""
    return {
        "to_picture": torch.tensor([dx, dy], dtype=torch.float32).expand(frames, *size, 2).clone(),
        "to_picture_valid": torch.full((frames, *size), float(valid)),
    }


def warp(images, flow, direction=AUTO, fill=None):
    return WarpByFlow.execute(images, flow, direction, fill).result


def compose(object_flow, mask, scene_flow=None, mask_frames="still image", **box):
    return ComposeFlows.execute(object_flow, mask, scene_flow, mask_frames, **box)[0]


@pytest.fixture(scope="module")
def clip():
    """Hard edges, so that every pixel shows one thing."""
    return render(
        sample_scene(5, frames=4, height=96, width=128, frame_rate=24.0, action="wave", objects=1, camera="sway"), 1
    )


def error(output, wanted, where):
    return (output - wanted).abs().mean(-1)[where].mean().item()


def test_the_stages_exact_flow_brings_each_frame_to_the_next_and_back(clip):
    flow = stage_flow(clip)
    for direction, wanted, source in (
        (TO_NEXT, clip.rgb[1:], clip.rgb[:-1]),
        (TO_PREVIOUS, clip.rgb[:-1], clip.rgb[1:]),
    ):
        moved, holes = warp(clip.rgb, flow, direction)
        visible = holes < 0.5
        still = error(source, wanted, visible)
        assert moved.shape == wanted.shape and holes.shape == wanted.shape[:3] and 0.6 < visible.float().mean() < 1
        assert error(moved, wanted, visible) < 0.35 * still, "the flow explains what changes"
        assert error(moved, wanted, ~visible) > 3 * error(moved, wanted, visible), "and the holes are where it cannot"


def test_steps_between_neighbours_add_up_to_a_flow_from_the_first_frame(clip):
    moved, holes = warp(clip.rgb[:1], stage_flow(clip))
    assert torch.allclose(moved[0], clip.rgb[0], atol=1e-5) and not holes[0].any()
    for i in range(1, len(clip.rgb)):
        visible = holes[i] < 0.5
        assert error(moved[i], clip.rgb[i], visible) < 0.5 * error(clip.rgb[0], clip.rgb[i], visible)
        assert visible.float().mean() > 0.5
    assert holes[3].mean() > holes[1].mean()


def test_a_picture_is_fetched_as_opencv_fetches_it():
    picture, field = rand(1, HEIGHT, WIDTH, 3), 6 * rand(FRAMES, HEIGHT, WIDTH, 2, seed=1) - 3
    moved, holes = warp(picture, {"to_picture": field, "to_picture_valid": torch.ones(FRAMES, HEIGHT, WIDTH)})
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    for ours, hole, offset in zip(moved, holes, field.numpy(), strict=True):
        at = x + offset[..., 0], y + offset[..., 1]
        theirs = cv2.remap(picture[0].numpy(), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(ours.numpy() - theirs).max() < 0.03  # OpenCV reads between pixels in steps of 1/32
        outside = (at[0] < -0.5) | (at[0] > WIDTH - 0.5) | (at[1] < -0.5) | (at[1] > HEIGHT - 0.5)
        assert (hole.numpy() == outside).all() and outside.any()


def test_an_autoencoders_grid_leads_where_its_own_sampler_reads():
    """Both have their own idea of where pixels lie; away from the border, which one fades and one repeats, they agree."""
    picture, grid = rand(1, 3, HEIGHT, WIDTH), coordinate_grid(HEIGHT, WIDTH, torch.zeros(1))[None] * 0.8
    grid = grid + 0.1 * rand(1, HEIGHT, WIDTH, 2, seed=1)
    field = from_grid(grid, torch.ones(1, 1, HEIGHT, WIDTH))
    moved, _ = warp(picture.movedim(1, -1), {"to_picture": field.offset, "to_picture_valid": field.valid})
    assert torch.allclose(moved.movedim(-1, 1), fetch(picture, grid), atol=1e-5)
    assert torch.allclose(to_grid(field)[0], grid, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 12, 16), (3, 4, 12, 16), (1, 16, 3, 12, 16), (1, 16, 1, 12, 16)])
def test_a_latent_of_any_model_moves_by_the_scaled_flow(shape):
    """8 pixels to the right of a picture 8 times as large are one to the right of its latent."""
    frames = lambda x: x[0].transpose(0, 1) if x.ndim == 5 else x
    latent = {"samples": rand(*shape) - 0.5, "noise_mask": torch.ones(1, 1, 12, 16), "downscale_ratio_spacial": 8}
    given, flow = frames(latent["samples"]), steady(8, -16, size=(96, 128))
    if len(given) > 1:  # a clip: each frame moves to the place of the next
        flow = {"backward": flow["to_picture"][1:], "backward_valid": flow["to_picture_valid"][1:]}
    moved, holes = warp(latent, flow)
    before = given.expand(FRAMES, -1, -1, -1) if len(given) == 1 else given[:-1]
    after = frames(moved["samples"])
    assert after.shape == before.shape and moved["samples"].ndim == len(shape)
    assert torch.allclose(after[..., 2:, :-1], before[..., :-2, 1:], atol=1e-5)
    assert holes.shape == (len(before), 12, 16) and holes[:, :2].all() and holes[..., -1].all()
    assert not holes[:, 2:, :-1].any()
    assert "noise_mask" not in moved and moved["downscale_ratio_spacial"] == 8 and "noise_mask" in latent


def test_holes_are_filled_from_a_scene_as_far_as_they_are_holes():
    picture, scene, flow = rand(1, HEIGHT, WIDTH, 3), rand(1, HEIGHT, WIDTH, 3, seed=1), steady(0, 0)
    flow["to_picture_valid"][:, :, :8], flow["to_picture_valid"][:, :, 8:16] = 0, 0.25
    moved, holes = warp(picture, flow, fill=scene)
    assert torch.allclose(moved[:, :, :8], scene[:, :, :8].expand(FRAMES, -1, -1, -1), atol=1e-6)
    assert torch.allclose(
        moved[:, :, 8:16], (0.25 * picture + 0.75 * scene)[:, :, 8:16].expand(FRAMES, -1, -1, -1), atol=1e-5
    )
    assert torch.allclose(moved[:, :, 16:], picture[:, :, 16:].expand(FRAMES, -1, -1, -1), atol=1e-5)
    assert torch.allclose(holes, 1 - flow["to_picture_valid"])
    bare, _ = warp(picture, flow)
    assert torch.allclose(bare, picture.expand_as(bare), atol=1e-5)
    cut_out = rand(1, HEIGHT, WIDTH, 4)
    assert warp(cut_out, flow)[0].shape == (FRAMES, HEIGHT, WIDTH, 4)


@pytest.mark.parametrize("arguments, words", [
    ((rand(1, 24, 24, 3), steady(0, 0)), "flow is 32 x 24 and the image 24 x 24"),
    ((rand(2, 24, 32, 3), steady(0, 0)), "images: from still moves one picture, got 2 frames.*to next frame"),
    ((rand(1, 24, 32, 3), steady(torch.nan, 0)), "flow: expected finite"),
    ((rand(1, 24, 32, 3), steady(0, 0), TO_NEXT), "leads from every frame to the still image, not"),
    ((rand(1, 24, 32), steady(0, 0)), "expected an IMAGE batch"),
    ((torch.full((1, 24, 32, 3), torch.inf), steady(0, 0)), "images: expected finite"),
    ((rand(1, 24, 32, 3), steady(0, 0), FROM_STILL, rand(1, 24, 30, 3)), "fill: expected frames of shape"),
    ((rand(1, 24, 32, 3), steady(0, 0), FROM_STILL, rand(2, 24, 32, 3)), "fill: expected 1 or 3"),
    (({"samples": rand(2, 4, 3, 24, 32)}, steady(0, 0)), "or of one clip.*split it"),
    (({"samples": rand(1, 4, 2, 24, 32)}, steady(0, 0)), "from still moves one picture, got 2 frames"),
])  # fmt: skip
def test_what_does_not_fit_a_flow_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        warp(*arguments)
    forward = {"forward": torch.zeros(3, 24, 32, 2), "forward_valid": torch.ones(3, 24, 32)}
    with pytest.raises(ValueError, match="of 4 frames moves a clip of as many, got 3"):
        warp(rand(3, 24, 32, 3), forward, TO_PREVIOUS)


def test_auto_moves_a_picture_from_still_and_a_clip_to_the_next_frame(clip):
    """The exact flow of the stage leads both ways, so that the number of frames decides."""
    flow = stage_flow(clip)
    for images, direction in ((clip.rgb[:1], FROM_STILL), (clip.rgb, TO_NEXT)):
        for ours, theirs in zip(warp(images, flow), warp(images, flow, direction), strict=True):
            assert torch.equal(ours, theirs)
    assert len(warp(clip.rgb, flow)[0]) == len(clip.rgb) - 1


def test_a_clip_is_never_moved_from_still(clip):
    """Each of its frames would be moved once more, by the motion since the first, and dissolve."""
    along, frames = stage_flow(clip), len(clip.rgb)
    to_still = {"to_picture": torch.zeros(frames, 96, 128, 2), "to_picture_valid": torch.ones(frames, 96, 128)}
    for flow, direction in ((along, FROM_STILL), (to_still, FROM_STILL), (to_still, AUTO)):
        with pytest.raises(
            ValueError, match="from still moves one picture, got 4 frames.*Get Image from Batch.*to next"
        ):
            warp(clip.rgb, flow, direction)
    with pytest.raises(ValueError, match="of 4 frames moves a clip of as many, got 3"):
        warp(clip.rgb[:3], along)


def left_half():
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[..., : WIDTH // 2] = 1
    return mask


def random_flow(seed, frames=FRAMES):
    return {
        "to_picture": 3 * rand(frames, HEIGHT, WIDTH, 2, seed=seed) - 1.5,
        "to_picture_valid": rand(frames, HEIGHT, WIDTH, seed=seed + 50),
    }


def test_composed_flows_are_the_single_ones_inside_and_outside_of_masks_of_the_frames():
    over, below, mask = random_flow(1), random_flow(2), (rand(FRAMES, HEIGHT, WIDTH, seed=3) > 0.5).float()
    both = compose(over, mask, below, "every frame")
    for name in ("to_picture", "to_picture_valid"):
        assert torch.equal(both[name][mask > 0.5], over[name][mask > 0.5])
        assert torch.equal(both[name][mask < 0.5], below[name][mask < 0.5])


def test_a_mask_of_the_picture_moves_with_its_object_and_leaves_a_hole():
    """The left half goes 4 pixels to the right over a room at rest."""
    flow = compose(steady(-4, 0, valid=0.9), left_half())
    half = WIDTH // 2
    expected = torch.zeros(FRAMES, HEIGHT, WIDTH, 2)
    expected[:, :, 4 : half + 4, 0] = -4
    assert torch.equal(flow["to_picture"], expected)
    valid = flow["to_picture_valid"]
    assert (
        not valid[:, :, :4].any() and (valid[:, :, 4 : half + 4] == 0.9).all() and (valid[:, :, half + 4 :] == 1).all()
    )
    picture = rand(1, HEIGHT, WIDTH, 3)
    moved, _ = warp(picture, flow)
    assert torch.allclose(moved[:, :, 4 : half + 4], picture[:, :, :half].expand(FRAMES, -1, -1, -1), atol=1e-5)


def test_flows_of_two_parts_of_a_picture_are_put_side_by_side():
    """Each covers its own half, in points of its own."""
    small = lambda dx, seed: {
        "to_picture": torch.tensor([dx, 1.0]).expand(FRAMES, 6, 4, 2) + 0.1 * rand(FRAMES, 6, 4, 2, seed=seed),
        "to_picture_valid": rand(FRAMES, 6, 4, seed=seed),
    }
    left, right = small(0.0, 1), small(-0.2, 2)
    first = compose(left, left_half(), width=16, height=24)
    both = compose(right, 1 - left_half(), first, x=16, width=16, height=24)
    assert first["to_picture"].shape == both["to_picture"].shape == (FRAMES, 6, 8, 2)
    for at, part in ((slice(1, 3), left), (slice(5, 7), right)):  # away from the edges of the halves
        inside = (both["to_picture"][:, 1:-2, at] == part["to_picture"][:, 1:-2, 1:3]).all(-1)
        assert inside.float().mean() > 0.9
        assert torch.equal(
            both["to_picture_valid"][:, 1:-2, at][inside], part["to_picture_valid"][:, 1:-2, 1:3][inside]
        )
    assert not first["to_picture"][:, :, 5:].any() and (first["to_picture_valid"][:, :, 5:] == 1).all()


def test_flow_between_neighbours_is_composed_by_masks_of_the_frames(clip):
    flow = stage_flow(clip)
    nothing = {name: torch.zeros_like(value) for name, value in flow.items()}
    mask = (clip.person_mask > 0.5).float()
    both = compose(flow, mask, nothing, "every frame")
    assert set(both) == set(flow)
    assert torch.equal(both["forward"][mask[:-1] > 0.5], flow["forward"][mask[:-1] > 0.5])
    assert torch.equal(both["backward"][mask[1:] > 0.5], flow["backward"][mask[1:] > 0.5])
    assert not both["forward"][mask[:-1] < 0.5].any() and not both["backward_valid"][mask[1:] < 0.5].any()


@pytest.mark.parametrize("arguments, words", [
    ((random_flow(1), torch.ones(2, HEIGHT, WIDTH)), "object_mask: expected one mask of the still image, got 2"),
    ((random_flow(1), torch.ones(2, HEIGHT, WIDTH), None, "every frame"), "expected 1 or 3 masks for 3 frames of flow, got 2"),
    ((random_flow(1), left_half(), random_flow(2, 4)), "object_flow has 3, scene_flow has 4"),
    ((random_flow(1), torch.ones(1, 24, 24), random_flow(2)), "shape of the flow, 32 x 24, got 24 x 24"),
    (({"forward": torch.zeros(3, 24, 32, 2)}, left_half()), "mask of the still image cannot join flows that lead from every frame to the next"),
    (({"forward": torch.zeros(3, 24, 32, 2)}, left_half(), random_flow(1), "every frame"), "to the next and from every frame to the still image"),
])  # fmt: skip
def test_flows_that_cannot_be_joined_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        compose(*arguments)


def test_a_part_that_leaves_the_picture_is_refused():
    with pytest.raises(ValueError, match="at 20, 0 of 16 x 24 pixels leaves the picture, whose mask is 32 x 24"):
        compose(steady(0, 0, size=(6, 4)), left_half(), x=20, width=16, height=24)
    with pytest.raises(ValueError, match="4 x 6 and its crop of the picture 8 x 6"):
        compose(steady(0, 0, size=(6, 4)), left_half(), steady(0, 0, size=(6, 8)))


def texture(shift_x=0, shift_y=0):
    """A smooth picture through a window that moves."""
    big = cv2.GaussianBlur(rand(120, 140, 3, seed=8).numpy(), (0, 0), 2)
    big = (big - big.min()) / np.ptp(big)
    return torch.from_numpy(big[20 + shift_y : 84 + shift_y, 20 + shift_x : 100 + shift_x].copy())


def test_dis_finds_a_known_shift_in_every_direction():
    frames = torch.stack([texture(), texture(3, 0), texture(3, 2)])
    inner = (slice(10, -10), slice(10, -10))
    along = EstimateFlow.execute(frames)[0]
    wanted = {"forward": [(-3, 0), (0, -2)], "backward": [(3, 0), (0, 2)]}
    for name, shifts in wanted.items():
        for flow, shift in zip(along[name], shifts, strict=True):
            assert (flow[inner] - torch.tensor(shift)).abs().mean() < 0.15, name
        assert along[f"{name}_valid"][:, 10:-10, 10:-10].mean() > 0.95
    still = EstimateFlow.execute(frames, frames[:1])[0]["to_picture"]
    assert (still[2][inner] - torch.tensor([3, 2])).abs().mean() < 0.2 and still[0].abs().max() < 0.1


@pytest.mark.parametrize("arguments, words", [
    ((rand(1, 40, 40, 3),), "at least 2 frames"),
    ((rand(2, 40, 40, 3), rand(2, 40, 40, 3)), "expected one of 40 x 40 pixels like the clip, got 2"),
    ((rand(2, 40, 40, 3), rand(1, 48, 40, 3)), "got 1 of 40 x 48"),
    ((255 * rand(2, 40, 40, 3),), "0..255"),
])  # fmt: skip
def test_pictures_without_a_flow_between_them_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        EstimateFlow.execute(*arguments)


def draw(flow, drawing_style="color wheel", direction="auto", max_motion=0.0, spacing=8, scale=1, images=None):
    setting = {"max_motion": max_motion} if drawing_style == "color wheel" else {"arrow_spacing": spacing}
    return DrawFlow.execute(flow, {"drawing_style": drawing_style} | setting, direction, scale, images)[0]


def test_the_page_shows_only_the_setting_of_the_chosen_style():
    style = next(i for i in DrawFlow.GET_SCHEMA().inputs if i.id == "drawing_style")
    assert {option.key: [i.id for i in option.inputs] for option in style.options} == {
        "color wheel": ["max_motion"], "arrows": ["arrow_spacing"],
    }  # fmt: skip


def test_directions_are_colours_and_hidden_points_are_dark():
    right, left = draw(steady(4, 0), max_motion=4.0), draw(steady(-4, 0), max_motion=4.0)
    assert right.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert torch.allclose(right[0, 0, 0], torch.tensor([1, 0.25, 0.25])) and left[0, 0, 0, 0] < 0.01
    assert torch.allclose(draw(steady(0, 0)), torch.ones(FRAMES, HEIGHT, WIDTH, 3))
    assert torch.allclose(draw(steady(0, 0, valid=0)), torch.full((FRAMES, HEIGHT, WIDTH, 3), 0.4))
    assert draw(steady(4, 0), scale=3).shape == (FRAMES, 72, 96, 3)
    assert draw(steady(4, 0), images=rand(1, 48, 64, 3)).shape == (FRAMES, 48, 64, 3)
    both = {"forward": steady(4, 0)["to_picture"], "backward": steady(-4, 0)["to_picture"]}
    assert torch.equal(draw(both, max_motion=4.0), right) and torch.equal(
        draw(both, direction="to previous frame", max_motion=4.0), left
    )


def test_arrows_go_where_the_flow_leads():
    plain, flow = torch.zeros(1, HEIGHT, WIDTH, 3), steady(6, 0)
    flow["to_picture_valid"][:, :, 16:] = 0
    drawn = draw(flow, "arrows", images=plain)
    ink = drawn.amax(-1) > 0.5
    assert ink[:, 4, 4:11].all() and ink[:, 12, 4:11].all(), "one row every 8 pixels, 6 pixels long"
    assert not ink[:, :, 24:].any() and not ink[:, 8].any() and not plain.any()
    assert not (draw(steady(0, 0), "arrows") > 0.5).any()
    with pytest.raises(ValueError, match="images: expected 1 or 3"):
        draw(flow, "arrows", images=rand(2, HEIGHT, WIDTH, 3))
    with pytest.raises(ValueError, match="32 x 24 and images 24 x 24"):
        draw(flow, images=rand(1, 24, 24, 3))
