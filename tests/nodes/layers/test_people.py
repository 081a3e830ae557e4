"""Select Person in Mask, its masks in Decompose into Layers, and its refusals."""

import pytest
import torch
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.people import SelectPerson

FRAMES, HEIGHT, WIDTH = 12, 60, 100
NUMBER = {"select_by": "number", "person_number": 0}


def point(x, y, frame):
    return {"select_by": "point", "person_x": x, "person_y": y, "person_frame": frame}


@pytest.fixture(scope="module")
def clip():
    """A tall person who walks to the right and a small one who walks to the left, behind."""
    images, tall, small = torch.full((FRAMES, HEIGHT, WIDTH, 3), 0.5), *torch.zeros(2, FRAMES, HEIGHT, WIDTH)
    for index in range(FRAMES):
        small[index, 14:44, 82 - 6 * index : 90 - 6 * index] = 1
        tall[index, 10:55, 6 + 6 * index : 18 + 6 * index] = 1
    small *= 1 - tall
    for mask, colour in ((small, (0.1, 0.2, 0.9)), (tall, (0.9, 0.1, 0.1))):
        images = images.lerp(torch.tensor(colour).expand_as(images), mask[..., None])
    return images, tall, small


def selected(clip, select_by=NUMBER, area=0.2, images=True):
    everyone = torch.maximum(clip[1], clip[2])
    return SelectPerson.execute(everyone, select_by, area, clip[0] if images else None).result


def close(one, other):
    return ((one > 0.5) & (other > 0.5)).sum() / ((one > 0.5) | (other > 0.5)).sum()


@pytest.mark.parametrize("images", [True, False])
def test_one_person_and_the_other(clip, images):
    person, others, count, preview, report = selected(clip, images=images)
    assert count == 2 and close(person, clip[1]) > 0.9 and close(others, clip[2]) > 0.7
    assert torch.equal(person + others, torch.maximum(clip[1], clip[2]))
    assert preview.shape[1:] == (HEIGHT, WIDTH, 3)
    assert report.startswith("2 people in 12 frames.") and "Person 1:" in report


def test_by_a_point_in_a_frame(clip):
    assert torch.equal(selected(clip, point(84, 30, 0))[0], selected(clip, NUMBER | {"person_number": 1})[0])
    assert torch.equal(selected(clip, point(10, 30, 0))[0], selected(clip)[0])
    assert torch.equal(selected(clip, point(0, 0, 0))[0], selected(clip)[0]), "the nearest one"


def test_its_masks_decompose_the_clip(clip):
    person, others, *_ = selected(clip)
    layers, *_, report = DecomposeLayers.execute(
        clip[0], person, "near is white", "object masks", 0.4, 0.15, 0.25, object_masks=others
    ).result
    assert torch.equal(layers["person"], person) and "Object 0" in report


def test_no_person_and_one_person(clip, caplog):
    nothing = torch.zeros(FRAMES, HEIGHT, WIDTH)
    person, others, count, preview, report = SelectPerson.execute(nothing, NUMBER, 0.2).result
    assert count == 0 and not person.any() and not others.any() and len(preview) == 1
    assert report.startswith("No person in 12 frames") and report in caplog.text
    person, others, count, *_ = SelectPerson.execute(clip[1], NUMBER, 0.2).result
    assert count == 1 and torch.equal(person, clip[1]) and not others.any()


@pytest.mark.parametrize(
    ("choice", "phrase"),
    [
        (NUMBER | {"person_number": 5}, "person_number: expected a number below 2, got 5: take it from the preview"),
        (point(100, 0, 0), "point: expected a pixel in 100 x 60 and a frame below 12"),
        (point(3, 3, 12), "in frame 12: count both from 0"),
    ],
)
def test_a_choice_that_there_is_not(clip, choice, phrase):
    with pytest.raises(ValueError, match=phrase):
        selected(clip, choice)


def test_a_frame_without_a_person_and_pictures_of_another_clip(clip):
    half = clip[1].clone()
    half[:6] = 0
    with pytest.raises(ValueError, match="person_frame: expected a frame that shows a person, got 2"):
        SelectPerson.execute(half, point(3, 3, 2), 0.2)
    with pytest.raises(ValueError, match="images: expected 12 pictures of 100 x 60 like the mask, got 12 of 50 x 60"):
        SelectPerson.execute(half, NUMBER, 0.2, clip[0][:, :, :50])
