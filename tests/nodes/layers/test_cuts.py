"""A cut in the clip: no box, plate or color fit runs across it, and what cannot follow it says so."""

import pytest
import torch
from pack.models.flow.cuts import find_cuts
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.crop import CropToSubject, PasteCrop
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.motion import MaskByMotion
from pack.nodes.layers.scene import FillScene
from pack.nodes.layers.shadow import ShadowOfPerson
from pack.nodes.swap.chunks import JoinChunks
from pack.nodes.swap.colours import MatchColors

SHOT, HIGH, WIDE = 8, 96, 128


def scene(seed):
    small = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(small, size=(HIGH, WIDE), mode="bicubic")
    return (0.2 + 0.5 * large[0].movedim(0, -1)).clamp(0, 1)


def shot(seed, left, step):
    """A scene in which a square walks, the scene, and its mask."""
    empty, masks = scene(seed).expand(SHOT, -1, -1, -1), torch.zeros(SHOT, HIGH, WIDE)
    for index in range(SHOT):
        start = left + step * index
        masks[index, 40:70, start : start + 16] = 1
    return torch.lerp(empty, torch.tensor([0.9, 0.9, 0.1]), masks[..., None]), empty, masks


@pytest.fixture(scope="module")
def clip():
    """Two shots, the person far on the left and then on the right: pictures, scene, masks."""
    return tuple(torch.cat(both) for both in zip(shot(1, 2, 4), shot(2, 106, -4), strict=True))


def crop(images, mask, **changes):
    given = {
        "width": 0, "height": 0, "padding": 0.1, "smoothing_frames": 9, "max_frames": 0, "overlap_frames": 0,
        "box_motion": "follow subject",
    }  # fmt: skip
    return CropToSubject.execute(images, mask, **(given | changes)).result


def layers_of(images, mask):
    how = {
        "object_source": "object masks",
        "nearer_fraction": 0.4,
        "stability_margin": 0.15,
        "min_hidden_percent": 0.25,
    }
    return DecomposeLayers.execute(images, mask, "near is white", **how).result[0]


def test_the_clip_has_its_cut(clip):
    assert find_cuts(clip[0]) == find_cuts(clip[1]) == [SHOT]


@pytest.mark.parametrize("box_motion", ["follow subject", "still"])
def test_the_box_follows_each_shot_on_its_own(clip, box_motion, caplog):
    images, _, mask = clip
    whole = crop(images, mask, box_motion=box_motion)[2]["clips"][0]["boxes"]
    assert "cut in front of frame 8" in caplog.text and "Trim Video" in caplog.text
    for part in (slice(0, SHOT), slice(SHOT, None)):
        alone = crop(images[part], mask[part], box_motion=box_motion)[2]["clips"][0]["boxes"]
        middle = lambda boxes: (boxes[:, :2] + boxes[:, 2:]) / 2
        assert (middle(alone) - middle(whole[part])).abs().max() <= 1, "the box is where it is without the other shot"
    width = (whole[0, 2] - whole[0, 0]).item()
    assert width < 0.6 * WIDE, "no box as wide as both places together"


def test_the_crop_comes_back_equal(clip):
    images, _, mask = clip
    pictures, _, plan = crop(images, mask)
    assert torch.equal(PasteCrop.execute([images], pictures, [plan], [4.0]).result[0], images)


def test_a_scene_is_filled_from_its_own_shot(clip, caplog):
    images, empty, mask = clip
    filled, plate = FillScene.execute(layers_of(images, mask), True, 1).result[:2]
    assert "cut in front of frame 8: the scene is filled for each shot" in caplog.text
    assert (plate - empty).abs().max() < 0.02, "what the other frames of the shot show"
    removed = CompositeLayers.execute(
        filled, remove_person=True, remove_occluders=False, insert_position="by depth", feather=0.0,
        object_depth="each pixel", depth_tolerance=0.0, stands_on_ground=False,
    ).result[0]  # fmt: skip
    assert (removed - empty).abs().max() < 0.02


def test_object_masks_of_both_kinds_follow_their_shot(clip):
    from pack.models.layers.layers import part_of, read_layers

    images, _, mask = clip
    other = mask.flip(2)
    how = {"object_source": "object masks", "nearer_fraction": 0.4, "stability_margin": 0.15, "min_hidden_percent": 0.0}
    layers = read_layers(DecomposeLayers.execute(images, mask, "near is white", **how, object_masks=other).result[0])
    part = part_of(layers, slice(SHOT, 2 * SHOT))
    for index in range(SHOT):
        (person, objects), (same, others) = part.coverages(index), layers.coverages(SHOT + index)
        assert torch.equal(person, same) and objects.keys() == others.keys()
        assert all(torch.equal(objects[k], others[k]) for k in objects)


def test_colors_are_not_averaged_across_a_cut(clip):
    images, _, mask = clip
    gain = torch.cat((torch.full((SHOT,), 0.9), torch.full((SHOT,), 0.7)))[:, None, None, None]
    out = MatchColors.execute([gain * images], [0], [1.0], [9], [images], [mask]).result[0][0]
    error = (out - images).abs().mean((1, 2, 3))
    assert error.max() < 0.004, "frames beside the cut too"


def test_chunks_that_do_not_overlap_are_said_and_not_matched(clip, caplog):
    images = clip[0]
    chunks = [images[:SHOT], images[SHOT:]]
    report = JoinChunks.execute(chunks, [3], [1.0], [0]).result[2]
    assert (
        "Chunk 1 was expected to share 3 frames with chunk 0" in report
        and report.split("Chunk 1 was")[1][:60] in caplog.text
    )
    out, report = MatchColors.execute(chunks, [3], [1.0], [9]).result
    assert torch.equal(out[1], chunks[1]) and "Chunk 1: unchanged." in report and "was expected to share 3" in report
    joined, frames, report = JoinChunks.execute(chunks, [0], [1.0], [0]).result
    assert torch.equal(joined, images) and frames == 2 * SHOT and "expected" not in report


def test_a_cut_inside_a_chunk_leaves_the_others_exact(clip):
    images = clip[0]
    joined, _, report = JoinChunks.execute([images[:10], images[7:]], [3], [1.0], [0]).result
    assert (joined - images).abs().max() < 1e-5 and "expected" not in report


def test_what_takes_the_median_of_the_clip_says_that_it_is_cut(clip, caplog):
    images, _, mask = clip
    assert "cut in front of frame 8" in MaskByMotion.execute(images, 0.5, 0.05, False, 0).result[2]
    ShadowOfPerson.execute(layers_of(images, mask), 0.5, 2.0, 2)
    assert "cut in front of frame 8" in caplog.text


@pytest.mark.parametrize("white, phrase", [
    (torch.ones(1, HIGH, WIDE), "Invert Mask"),
    (torch.zeros(1, WIDE, HIGH).index_fill(1, torch.arange(30, 60), 1.0), "got 96 x 128, which is stretched"),
])  # fmt: skip
def test_masks_that_are_inverted_or_of_another_shape_are_said(clip, white, phrase, caplog):
    images = clip[0][:2]
    crop(images, white)
    layers_of(images, white)
    assert caplog.text.count(phrase) >= 2


def test_half_precision_and_alpha_are_taken(clip):
    images, empty, mask = clip
    half = torch.cat((images, mask[..., None]), -1).half()
    pictures, _, plan = crop(half, mask.half())
    pasted = PasteCrop.execute([half], pictures, [plan], [4.0]).result[0]
    assert (pasted - images).abs().max() < 1e-3
    plate = FillScene.execute(layers_of(half, mask.half()), True, 1).result[1]
    assert (plate - empty).abs().max() < 0.02
