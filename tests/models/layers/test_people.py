"""People told apart in one mask: drawn people whose every pixel is known, who cross, meet, hide and part."""

import numpy as np
import pytest
import torch
from pack.models.layers.people import find_people

FRAMES, HEIGHT, WIDTH = 40, 120, 240
RED, BLUE, WALL = (0.8, 0.2, 0.1), (0.1, 0.2, 0.8), (0.5, 0.5, 0.5)


def person(column, feet, tall=60):
    """(H, W) bool a head and a body that stands at a place."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    body = ((x - column) / (0.14 * tall)) ** 2 + ((y - feet + 0.4 * tall) / (0.4 * tall)) ** 2 < 1
    head = (x - column) ** 2 + (y - feet + 0.88 * tall) ** 2 < (0.12 * tall) ** 2
    return body | head


def clip(paths, colours=(RED, BLUE), feet=(100, 108), trunk=None):
    """Pictures, the mask of all, and the visible part (K, N, H, W) of each of the people who walk along paths (K, N)."""
    images, visible = (
        np.full((FRAMES, HEIGHT, WIDTH, 3), WALL, np.float32),
        np.zeros((len(paths), FRAMES, HEIGHT, WIDTH), bool),
    )
    for frame in range(FRAMES):
        for k, path in enumerate(paths):  # the last one is nearest
            if np.isnan(path[frame]):
                continue
            own = person(path[frame], feet[k])
            visible[:, frame] &= ~own
            visible[k, frame] = own
            images[frame][own] = colours[k]
    if trunk is not None:
        visible[..., trunk] = False
    return torch.from_numpy(images), torch.from_numpy(visible.any(0)).float(), torch.from_numpy(visible)


def iou(people, masks, number, truth, frames=range(FRAMES)):
    own = torch.stack([people.mask(masks, number, frame) for frame in frames]) > 0.5
    truth = truth[list(frames)]
    return ((own & truth).sum() / (own | truth).sum()).item()


def numbers_of(people, visible, frame):
    """The number of each of the people in a frame."""
    return [people.at(frame, *visible[k, frame].nonzero().float().mean(0).tolist()) for k in range(len(visible))]


ACROSS = np.stack((np.linspace(30, 210, FRAMES), np.linspace(215, 25, FRAMES)))


@pytest.mark.parametrize("with_colours", [False, True])
def test_two_people_who_cross_keep_their_numbers(with_colours):
    images, masks, visible = clip(ACROSS)
    people = find_people(masks, images if with_colours else None, 0.002)
    assert people.count == 2
    first, last = numbers_of(people, visible, 0), numbers_of(people, visible, FRAMES - 1)
    assert first == last and sorted(first) == [0, 1]
    for k, number in enumerate(first):
        assert iou(people, masks, number, visible[k]) > 0.85
    total = sum(people.mask(masks, number, 20) for number in range(2))
    assert torch.equal(total, masks[20]), "no pixel is lost and none counts twice"


def test_two_people_who_meet_and_turn_back_are_told_apart_by_their_colours():
    there = np.concatenate((np.linspace(30, 112, FRAMES // 2), np.linspace(112, 30, FRAMES // 2)))
    images, masks, visible = clip(np.stack((there, 236 - there)))
    people = find_people(masks, images, 0.002)
    assert people.count == 2 and numbers_of(people, visible, 0) == numbers_of(people, visible, FRAMES - 1)


def test_one_who_stands_and_one_who_passes():
    images, masks, visible = clip(np.stack((np.full(FRAMES, 120.0), ACROSS[0])))
    people = find_people(masks, None, 0.002)
    assert people.count == 2 and numbers_of(people, visible, 0) == numbers_of(people, visible, FRAMES - 1)
    assert iou(people, masks, numbers_of(people, visible, 0)[1], visible[1]) > 0.85


def test_a_person_behind_a_trunk_stays_one_person():
    images, masks, visible = clip(ACROSS[:1], trunk=slice(110, 122))
    people = find_people(masks, images, 0.002)
    assert people.count == 1 and iou(people, masks, 0, visible[0]) > 0.99


def test_a_person_who_was_hidden_is_found_again():
    path = ACROSS[0].copy()
    path[15:22] = np.nan
    images, masks, visible = clip(path[None])
    people = find_people(masks, images, 0.002)
    assert people.count == 1 and people.frames_of(0).tolist() == [k for k in range(FRAMES) if not 15 <= k < 22]


def test_two_people_who_come_in_together_are_two_once_they_part():
    paths = np.stack((np.linspace(120, 40, FRAMES), np.linspace(128, 210, FRAMES)))
    images, masks, visible = clip(paths)
    people = find_people(masks, images, 0.002)
    assert people.count == 2 and len(set(numbers_of(people, visible, FRAMES - 1))) == 2


def test_no_person_specks_and_soft_edges():
    assert find_people(torch.zeros(5, 60, 80), None, 0.002).count == 0
    _, masks, _ = clip(ACROSS[:1])
    soft = torch.nn.functional.avg_pool2d(masks[:, None], 5, 1, 2)[:, 0]
    soft[:, 2, 2] = 1  # a speck in a corner
    people = find_people(soft, None, 0.002)
    assert people.count == 1
    near = people.mask(soft, 0, 10)
    assert torch.equal(near[10:], soft[10, 10:]) and near[2, 2] == 0
    assert people.at(10, 2, 2) == 0 and find_people(torch.zeros(5, 60, 80), None, 0.002).at(0, 3, 3) is None


def test_large_pictures_are_followed_on_few_pixels():
    _, masks, visible = clip(ACROSS)
    large = masks.repeat_interleave(5, 1).repeat_interleave(5, 2)
    people = find_people(large, None, 0.002)
    assert people.step > 1 and people.count == 2
    assert torch.equal(people.mask(large, 0, 3) + people.mask(large, 1, 3), large[3])
