"""What Crop to Subject and Paste Crop Back do for generators, on a test video, and their refusals."""

import pytest
import torch
from pack.nodes.layers.crop import BOX_MOTIONS, CropToSubject, PasteCrop
from pack.nodes.stage.stage import RenderTestVideo
from pack.nodes.stage.truth import GroundTruth

FRAMES, SIZE = 6, 96
HARD = {"subject_feather": 0.0, "defringe": 0}
NAMES = [output.display_name for output in CropToSubject.GET_SCHEMA().outputs]


@pytest.fixture(scope="module")
def stage():
    images, test_video = RenderTestVideo.execute(
        seed=7, width=SIZE, height=SIZE, frames=FRAMES, frame_rate=6.0, action="walk", character_seed=-1, motion_seed=-1,
        room_seed=-1, object_count=1, camera="still", style="natural", smooth_edges=True,
    ).result[:2]  # fmt: skip
    names = [output.display_name for output in GroundTruth.GET_SCHEMA().outputs]
    return dict(zip(names, GroundTruth.execute(test_video).result, strict=True)) | {"images": images}


def crop(stage, **changes):
    given = {
        "images": stage["images"], "subject_mask": stage["person_mask"], "width": 0, "height": 0, "padding": 0.1,
        "smoothing_frames": 5, "max_frames": 0, "overlap_frames": 1,
    }  # fmt: skip
    return dict(zip(NAMES, CropToSubject.execute(**(given | changes)).result, strict=True))


def paste(stage, cut, images, **changes):
    lists = {name: [value] if not isinstance(value, list) else value for name, value in changes.items()}
    return PasteCrop.execute([stage["images"]], images, [cut["crop"]], [8.0], **lists).result


def test_a_generator_s_rules_of_size_and_frames(stage):
    cut = crop(stage, size_multiple=16, frame_rule="4n+1", hidden_mask=stage["occluder_mask"])
    (pictures,), (masks,) = cut["images"], cut["masks"]
    assert len(pictures) == len(masks) == 9 and pictures.shape[1] % 16 == 0 and pictures.shape[2] % 16 == 0
    assert torch.equal(pictures[6], pictures[5]) and torch.equal(pictures[8], pictures[5])
    assert cut["crop"]["clips"][0]["repeated"] == 3
    result, report = paste(stage, cut, cut["images"])
    assert torch.equal(result, stage["images"]) and "The whole box was pasted" in report
    assert paste(stage, cut, [pictures.flip(-1)])[0].shape == stage["images"].shape
    with pytest.raises(ValueError, match="with 9 frames, got 6"):
        paste(stage, cut, [pictures[:6]])


def test_a_still_box(stage):
    boxes = crop(stage, box_motion=BOX_MOTIONS[1])["crop"]["clips"][0]["boxes"]
    assert (boxes == boxes[0]).all()


def test_the_masks_of_the_crop_are_not_copied(stage):
    cut = crop(stage)
    assert cut["crop"]["clips"][0]["mask"] is cut["masks"][0]


def test_only_the_subject_comes_back_in_the_colours_of_the_clip(stage):
    cut = crop(stage, padding=0.3)
    drifted = [(0.9 * batch + 0.04).clamp(0, 1) for batch in cut["images"]]
    how = {"subject_mask": cut["masks"], "protect_mask": stage["occluder_mask"], "color_match_strength": 1.0}
    how |= HARD
    result, report = paste(stage, cut, drifted, **how)
    assert "Colors of clip 0" in report and "1.00 times as tall" in report
    before = paste(stage, cut, drifted)[0]
    away = lambda images: (images - stage["images"]).abs().mean()
    assert away(result) < 0.2 * away(before)
    front = stage["occluder_mask"] == 1
    assert torch.equal(result[front], stage["images"][front])


def test_one_mask_serves_all_frames_and_no_subject_is_said(stage):
    cut = crop(stage)
    result, report = paste(stage, cut, cut["images"], subject_mask=torch.zeros(1, 8, 8))
    assert torch.equal(result, stage["images"]) and "no subject" in report


def test_a_crop_of_an_older_workflow_still_pastes(stage):
    cut = crop(stage)
    clips = [{"start": clip["start"], "boxes": clip["boxes"]} for clip in cut["crop"]["clips"]]
    old = {**cut["crop"], "clips": clips}
    result, report = PasteCrop.execute(
        [stage["images"]], cut["images"], [old], [8.0], None, cut["masks"], [0.0], [0], [1.0]
    ).result
    assert torch.allclose(result, stage["images"], atol=0.02) and report


def test_a_portrait_clip_of_one_frame(stage):
    tall = {name: stage[name][:1, :, 20:70] for name in ("images", "person_mask", "occluder_mask")}
    cut = crop(tall, frame_rule="4n+1", size_multiple=32, hidden_mask=tall["occluder_mask"])
    assert len(cut["images"][0]) == 1
    assert torch.equal(paste(tall, cut, cut["images"])[0], tall["images"])
    alone = paste(tall, cut, cut["images"], subject_mask=cut["masks"])[0]
    far = tall["person_mask"] == 0
    assert alone.shape == tall["images"].shape and (alone - tall["images"])[far].abs().mean() < 0.01


@pytest.mark.parametrize("changes, message", [
    ({"width": 72, "height": 64, "size_multiple": 16}, "multiple of size_multiple 16, got 72: set 64 or 80"),
    ({"max_frames": 8, "overlap_frames": 3, "frame_rule": "4n+1"}, r"got 8 \(5 by frame_rule\)"),
    ({"hidden_mask": torch.zeros(4, 8, 8)}, "hidden_mask: expected 1 or 6 masks"),
    ({"subject_mask": torch.zeros(1, 8, 8)}, "only empty masks"),
    ({"frame_rule": "8n+1"}, "8n\\+1"),
])  # fmt: skip
def test_refusals(stage, changes, message):
    with pytest.raises(ValueError, match=message):
        crop(stage, **changes)


def test_masks_of_another_clip_are_refused(stage):
    cut = crop(stage)
    with pytest.raises(ValueError, match="subject_mask: expected the 1 clips of Crop to Subject with 6 frames, got 4"):
        paste(stage, cut, cut["images"], subject_mask=torch.ones(4, 8, 8))
