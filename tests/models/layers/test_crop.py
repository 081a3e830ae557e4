"""Boxes that follow a subject, and pasting back."""

import pytest
import torch
from pack.models.layers.crop import (
    Clip,
    Crop,
    Framing,
    allowed_frames,
    clip_ranges,
    clips_at,
    cut_box,
    edge_weight,
    paste_frame,
    plan_crop,
    split_clips,
)

FRAMES, HIGH, WIDE = 12, 60, 80


def rand(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def walker(size=lambda index: 10):
    """A square that walks from left to right."""
    mask = torch.zeros(FRAMES, HIGH, WIDE)
    for index in range(FRAMES):
        half = size(index)
        x, y = 12 + 5 * index, 30 + (index % 3)
        mask[index, max(0, y - half) : y + half, max(0, x - half) : x + half] = 1
    return mask


def planned(mask, **framing):
    return plan_crop(lambda index: mask[index], len(mask), (HIGH, WIDE), Framing(**framing))


def cut_all(clip, crop):
    return [
        torch.stack([cut_box(clip[part.start + i], box, crop.output_size) for i, box in enumerate(part.boxes)])
        for part in crop.clips
    ]


def back(clip, edited, crop, feather=6.0, protect=None):
    return torch.stack(
        [paste_frame(clip[i], edited, crop, i, feather, None if protect is None else protect[i]) for i in range(FRAMES)]
    )


@pytest.mark.parametrize("output_size", [None, (48, 48), (33, 57)])
@pytest.mark.parametrize("max_frames", [0, 6])
def test_there_and_back_is_the_original(output_size, max_frames):
    clip, mask = rand(FRAMES, HIGH, WIDE, 3), walker()
    crop = planned(mask, output_size=output_size, max_frames=max_frames, overlap_frames=2)
    assert len(crop.clips) == (1 if max_frames == 0 else 3)
    assert torch.equal(back(clip, cut_all(clip, crop), crop), clip)


def test_the_box_holds_the_subject_keeps_its_size_and_glides():
    mask = walker()
    crop = planned(mask, smoothing_frames=5)
    boxes = crop.clips[0].boxes
    assert len({(b[2] - b[0], b[3] - b[1]) for b in boxes.tolist()}) == 1
    for index, (left, top, right, bottom) in enumerate(boxes.tolist()):
        assert mask[index].sum() == mask[index, top:bottom, left:right].sum()
        assert left >= 0 and top >= 0 and right <= WIDE and bottom <= HIGH
    assert boxes[:, 0].diff().abs().max() <= 6 and (boxes[:, 1].max() - boxes[:, 1].min()) <= 2


def test_outside_the_box_nothing_changes_and_inside_everything_does():
    clip, mask = rand(FRAMES, HIGH, WIDE, 3), walker()
    crop = planned(mask)
    edited = [torch.zeros_like(batch) for batch in cut_all(clip, crop)]
    pasted, feather = back(clip, edited, crop, feather=4.0), 4
    for index, (left, top, right, bottom) in enumerate(crop.clips[0].boxes.tolist()):
        outside = torch.ones(HIGH, WIDE, dtype=torch.bool)
        outside[top:bottom, left:right] = False
        assert torch.equal(pasted[index][outside], clip[index][outside])
        core = pasted[index, top + feather : bottom - feather, left + feather : right - feather]
        assert core.abs().max() == 0


def test_a_border_of_the_picture_does_not_fade():
    weight = edge_weight(torch.tensor([0, 10, 40, 60]), (HIGH, WIDE), 8.0)
    assert (weight[8:, 0] == 1).all(), "the left side is the picture's own"
    assert (weight[-1, :32] == 1).all() and weight[0].max() < 0.1 and weight[8:, -1].max() < 0.1


def test_what_is_protected_stays():
    clip, mask, protect = rand(FRAMES, HIGH, WIDE, 3), walker(), torch.zeros(FRAMES, HIGH, WIDE)
    protect[:, 25:35] = 1
    crop = planned(mask, output_size=(40, 40))
    pasted = back(clip, [torch.zeros_like(batch) for batch in cut_all(clip, crop)], crop, protect=protect)
    assert torch.equal(pasted[:, 25:35], clip[:, 25:35]) and not torch.equal(pasted, clip)


def test_clips_cross_fade_where_they_overlap():
    boxes = torch.tensor([[0, 0, WIDE, HIGH]])
    crop = Crop(FRAMES, (HIGH, WIDE), None, [Clip(0, boxes.expand(8, 4)), Clip(4, boxes.expand(8, 4))])
    edited = [torch.zeros(8, HIGH, WIDE, 3), torch.ones(8, HIGH, WIDE, 3)]
    levels = back(torch.full((FRAMES, HIGH, WIDE, 3), 0.5), edited, crop)[:, 9, 9, 0]
    assert torch.allclose(levels, torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]))
    assert [number for number, _, _ in clips_at(crop, 5)] == [0, 1]


def test_a_subject_that_comes_near_begins_a_new_clip():
    crop = planned(walker(lambda index: 3 + 2 * max(0, index - 6)), overlap_frames=2)
    assert len(crop.clips) > 1 and crop.clips[1].start < crop.clips[0].stop
    sizes = [(clip.boxes[0, 2] - clip.boxes[0, 0]).item() for clip in crop.clips]
    assert sizes[0] < sizes[-1]
    assert crop.clips[0].start == 0 and crop.clips[-1].stop == FRAMES
    assert clip_ranges([1.0] * 10, Framing(max_frames=4, overlap_frames=1)) == [(0, 4), (3, 7), (6, 10)]


def test_a_box_larger_than_the_picture_repeats_the_border():
    clip, mask = rand(FRAMES, HIGH, WIDE, 3), torch.ones(FRAMES, HIGH, WIDE)
    crop = planned(mask, padding=0.5, output_size=(64, 64))
    left, top, right, bottom = crop.clips[0].boxes[0].tolist()
    assert top < 0 < HIGH < bottom and left < 0 < WIDE < right
    edited = cut_all(clip, crop)
    assert edited[0].shape == (FRAMES, 64, 64, 3)
    assert torch.equal(back(clip, edited, crop), clip)


def test_frames_without_a_subject_and_none_at_all():
    mask = walker()
    mask[4:7] = 0
    boxes = planned(mask).clips[0].boxes
    assert boxes[:, 0].diff().min() >= 0, "the box moves on while there is no subject"
    with pytest.raises(ValueError, match="only empty masks"):
        planned(torch.zeros(FRAMES, HIGH, WIDE))


def test_clips_come_back_as_a_list_or_in_one_batch():
    clip, crop = rand(FRAMES, HIGH, WIDE, 3), planned(walker(), max_frames=6, overlap_frames=2)
    edited = cut_all(clip, crop)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            split_clips([torch.cat([b[:, :9, :9] for b in edited])], crop), [b[:, :9, :9] for b in edited], strict=True
        )
    )
    with pytest.raises(ValueError, match="keep the number of frames"):
        split_clips([edited[0][:2]], crop)


@pytest.mark.parametrize("frames, max_frames", [(12, 0), (12, 8), (5, 0), (1, 0), (13, 0)])
def test_numbers_of_frames_follow_the_rule_of_the_model(frames, max_frames):
    mask, clip = walker()[:1].expand(frames, HIGH, WIDE), rand(frames, HIGH, WIDE, 3)
    crop = planned(mask, frame_step=4, max_frames=max_frames, overlap_frames=1)
    assert all(part.pictures % 4 == 1 for part in crop.clips)
    assert all(part.repeated == 0 for part in crop.clips[:-1]) and crop.clips[-1].repeated < 4
    assert crop.clips[-1].stop == frames, "no frame is lost"
    edited = [torch.cat((batch, batch[-1:].expand(part.repeated, *batch.shape[1:])))
              for batch, part in zip(cut_all(clip, crop), crop.clips, strict=True)]  # fmt: skip
    together = split_clips([torch.cat(edited)], crop)
    again = torch.stack([paste_frame(clip[i], together, crop, i, 6.0, None) for i in range(frames)])
    assert torch.equal(again, clip)


def test_the_largest_number_of_frames_that_a_rule_allows():
    assert [allowed_frames(most, 4) for most in (0, 1, 4, 5, 80, 81)] == [0, 1, 1, 5, 77, 81]
    assert [allowed_frames(most, 1) for most in (0, 1, 80)] == [0, 1, 80]
    assert clip_ranges([1.0] * 20, Framing(max_frames=10, overlap_frames=1, frame_step=4)) == [
        (0, 9),
        (8, 17),
        (16, 20),
    ]


@pytest.mark.parametrize("multiple", [1, 16, 32])
def test_the_box_is_a_multiple(multiple):
    left, top, right, bottom = planned(walker(), multiple=multiple, smoothing_frames=1).clips[0].boxes[0].tolist()
    assert (right - left) % multiple == 0 and (bottom - top) % multiple == 0
    assert right - left >= 20 and (multiple > 1 or right - left < 32)


def test_a_still_box_holds_the_subject_in_every_frame():
    mask = walker()
    boxes = planned(mask, still=True).clips[0].boxes
    assert (boxes == boxes[0]).all()
    left, top, right, bottom = boxes[0].tolist()
    assert mask.sum() == mask[:, max(top, 0) : bottom, max(left, 0) : right].sum()


@pytest.mark.parametrize("hidden", [False, True])
def test_after_a_cut_in_the_clip_the_subject_is_still_in_the_box(hidden):
    mask = torch.zeros(FRAMES, HIGH, WIDE)
    mask[:6, 20:40, 5:15], mask[6:, 10:30, 60:72] = 1, 1
    front = (lambda index: torch.zeros(HIGH, WIDE)) if hidden else None
    crop = plan_crop(lambda index: mask[index], FRAMES, (HIGH, WIDE), Framing(), front)
    for clip in crop.clips:
        for place, (left, top, right, bottom) in enumerate(clip.boxes.tolist()):
            here = mask[clip.start + place]
            assert here[max(top, 0) : bottom, max(left, 0) : right].sum() == here.sum()
