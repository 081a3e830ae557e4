"""Edited clips pasted back: the subject alone, in the colours of the original, with a report."""

import pytest
import torch
from pack.models.layers.crop import Framing, cut_box, paste_frame, plan_crop
from pack.models.layers.crop_report import compare_subjects, cut_sides, describe_subjects
from pack.models.layers.paste import Paste, inside_picture

FRAMES, HIGH, WIDE = 10, 96, 128
RED, GREEN = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.8, 0.1])


def scene():
    spots = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    plane = torch.nn.functional.interpolate(spots, size=(HIGH, WIDE), mode="bilinear")[0].permute(1, 2, 0)
    return 0.2 + 0.5 * plane


def masks(scale=1.0):
    """A person of 20 x 50 pixels who walks, with the feet in row 75, larger or smaller by a scale."""
    out = torch.zeros(FRAMES, HIGH, WIDE)
    half, tall = round(10 * scale), round(50 * scale)
    for index in range(FRAMES):
        middle = 30 + 6 * index
        out[index, 75 - tall : 75, middle - half : middle + half] = 1
    return out


def clip(scale=1.0, colour=RED, behind=None):
    behind = scene() if behind is None else behind
    return torch.lerp(behind.expand(FRAMES, HIGH, WIDE, 3), colour.expand(3), masks(scale)[..., None])


def cropped(clip_or_masks, crop):
    planes = clip_or_masks[..., None] if clip_or_masks.ndim == 3 else clip_or_masks
    out = [
        torch.stack([cut_box(planes[part.start + i], box, crop.output_size) for i, box in enumerate(part.boxes)])
        for part in crop.clips
    ]
    return [batch[..., 0] for batch in out] if clip_or_masks.ndim == 3 else out


def crop_of(masks, **framing):
    crop = plan_crop(lambda i: masks[i], FRAMES, (HIGH, WIDE), Framing(**framing))
    for part, mask in zip(crop.clips, cropped(masks, crop), strict=True):
        object.__setattr__(part, "mask", mask)
    return crop


def pasted(paste):
    paste.measure_colours()
    return torch.stack([paste.frame(index) for index in range(FRAMES)])


@pytest.mark.parametrize("output_size", [None, (64, 64)])
def test_all_new_inputs_at_their_defaults_give_the_old_result(output_size):
    original, crop = clip(), crop_of(masks(), output_size=output_size)
    edited = [batch.flip(-1) for batch in cropped(original, crop)]
    old = torch.stack([paste_frame(original[i], edited, crop, i, 6.0, None) for i in range(FRAMES)])
    assert torch.equal(pasted(Paste(original, edited, crop, feather=6.0)), old)


def test_only_the_subject_is_pasted_and_nothing_of_the_background_of_the_generator():
    original, crop = scene().expand(FRAMES, HIGH, WIDE, 3).clone(), crop_of(masks())
    edited = cropped(clip(behind=GREEN.expand(HIGH, WIDE, 3)), crop)
    result = pasted(Paste(original, edited, crop, subjects=cropped(masks(), crop), defringe=2))
    assert torch.equal(result, clip())


def test_what_is_protected_stays_in_front_of_the_subject():
    crop, protect = crop_of(masks()), torch.zeros(1, HIGH, WIDE)
    protect[:, :, 60:70] = 1
    original = scene().expand(FRAMES, HIGH, WIDE, 3).clone()
    result = pasted(Paste(original, cropped(clip(), crop), crop, protect, cropped(masks(), crop)))
    assert torch.equal(result[:, :, 60:70], original[:, :, 60:70]) and not torch.equal(result, original)


def test_colours_of_the_generator_become_those_of_the_clip():
    original, crop = clip(), crop_of(masks(), padding=0.4, output_size=(96, 96))
    wrong = [(0.85 * batch + 0.06).clamp(0, 1) for batch in cropped(clip(), crop)]
    away = lambda result: (result - original).abs().mean().item()
    paste = Paste(original, wrong, crop, strength=1.0)
    matched, plain = pasted(paste), pasted(Paste(original, wrong, crop))
    assert away(matched) < 0.1 * away(plain)
    half = pasted(Paste(original, wrong, crop, strength=0.5))
    assert away(matched) < away(half) < away(plain)
    lines, _ = paste.report()
    assert "Colors of clip 0: red x 1.18" in lines[-1]


def test_colours_are_matched_outside_the_subject_alone():
    """The subject has other colours than the original's on purpose; they get the same correction, no other."""
    original, crop = clip(), crop_of(masks(), padding=0.4)
    blue = torch.tensor([0.1, 0.1, 0.7])
    wrong = [0.85 * batch + 0.06 for batch in cropped(clip(colour=blue), crop)]
    result = pasted(Paste(original, wrong, crop, subjects=cropped(masks(), crop), strength=1.0))
    assert torch.allclose(result[masks() > 0.5], blue, atol=0.01)


def test_a_subject_of_the_right_size_gives_no_warning():
    crop = crop_of(masks())
    found = compare_subjects(cropped(masks(), crop), crop)
    assert len(found) == FRAMES and all(one.height == 1 and one.feet == 0 and not one.touched for one in found)
    assert describe_subjects(found)[1] is None


@pytest.mark.parametrize("output_size", [None, (96, 72)])
def test_a_subject_that_is_too_large_is_measured_and_touches_the_box(output_size):
    crop = crop_of(masks(), padding=0.05, output_size=output_size)
    found = compare_subjects(cropped(masks(1.3), crop), crop)
    assert all("top" in one.touched and "bottom" not in one.touched for one in found)
    lines, warning = describe_subjects(found)
    assert "touches the" in warning and "top" in warning and "Raise padding" in warning
    wide = crop_of(masks(), padding=0.4, output_size=output_size)
    found = compare_subjects(cropped(masks(1.2), wide), wide)
    assert all(one.height == pytest.approx(1.2, abs=0.04) for one in found) and not any(one.touched for one in found)
    assert "1.2" in describe_subjects(found)[1] and "Fit Reference" in describe_subjects(found)[1]


def test_the_border_of_the_picture_cuts_nothing_off():
    low = torch.zeros(FRAMES, HIGH, WIDE)
    low[:, 40:, 50:70] = 1
    crop = crop_of(low, padding=0.1)
    assert crop.clips[0].boxes[0, 3] == HIGH
    assert not any(one.touched for one in compare_subjects(cropped(low, crop), crop))


def test_a_box_without_room_is_not_held_against_the_original_subject():
    whole = torch.ones(8, 8)
    assert cut_sides(whole, whole) == [] and cut_sides(whole, None) == ["left", "top", "right", "bottom"]


def test_no_subject_in_the_edited_pictures_is_said():
    crop = crop_of(masks())
    lines, warning = describe_subjects(compare_subjects([torch.zeros(1, 8, 8)], crop))
    assert "no subject" in warning and lines


def test_the_part_of_a_box_that_lies_in_the_picture():
    inside = inside_picture(torch.tensor([-10, 0, 30, 20]), (20, 100), (4, 8))
    assert inside.shape == (4, 8) and inside[0].tolist() == [False, False, True, True, True, True, True, True]
