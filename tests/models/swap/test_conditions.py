"""Areas, keypoints, faces and colors of people, as video generators take them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pack.models.layers.crop import Clip, Crop
from pack.models.layers.layers import Layers
from pack.models.pose.formats import BODY, FACE, PARTS, Frame, parse, write
from pack.models.swap import conditions
from pack.models.swap.areas import fill_area, in_blocks, widened
from pack.models.swap.faces import AREA, SIDE, cut_face, face_box, fill_gaps
from pack.models.swap.parts import keypoints_of, lengthened, parts_of, person_in_clip

HEIGHT, WIDTH, FRAMES = 64, 96, 6


def layers(person=None, occluder=None, scene=None, frames=FRAMES):
    """A clip of random pictures with masks (N, H, W) of a person and of one object in front."""
    images = torch.rand(frames, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    person = torch.zeros(frames, HEIGHT, WIDTH) if person is None else person
    objects = None if occluder is None else occluder[None]
    count = 0 if occluder is None else 1
    return Layers(
        images, person, None, "near is white", objects, torch.ones(frames, count, dtype=torch.bool),
        torch.zeros(frames, count + 1), [], scene,
    )  # fmt: skip


def walking(frames=FRAMES, step=9):
    """Masks of a person of 10 x 30 pixels who moves to the right."""
    out = torch.zeros(frames, HEIGHT, WIDTH)
    for index in range(frames):
        out[index, 20:50, 20 + step * index : 30 + step * index] = 1
    return out


def whole(**given):
    return parts_of(layers(**given), None)[0]


# --- areas -----------------------------------------------------------------------------------------------------------


def test_an_area_grows_by_as_many_pixels_in_every_direction():
    mask = torch.zeros(41, 41)
    mask[20, 20] = 1
    out = widened(mask, 5)
    rows, columns = out.nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 25, 15, 25)
    assert ((rows - 20) ** 2 + (columns - 20) ** 2).max() < 2 * 25, "a disc, not a square"
    assert torch.equal(widened(mask, 0), mask)


@pytest.mark.parametrize("size", [(64, 96), (48, 80)])
def test_blocks_are_filled_as_a_whole_also_where_the_last_one_is_cut(size):
    mask = torch.zeros(size)
    mask[33, 70] = 1
    out = in_blocks(mask, 32)
    assert out.shape == size and out[32:64, 64:96].all()
    assert out.sum() == out[32:64, 64:96].numel()


def test_what_is_in_front_stays_in_whole_latents():
    person, occluder = torch.zeros(64, 64), torch.zeros(64, 64)
    person[:, 10:50] = 1
    occluder[:, 24:38] = 1  # 8 pixels of one column of latents, 6 of the next
    area = fill_area(person, occluder, 0, 8)
    assert not area[:, 24:40].any() and area[:, 16:24].all() and area[:, 40:48].all()
    outline = fill_area(person, occluder, 0, 0)
    assert not outline[:, 24:38].any() and outline[:, 38:50].all() and not outline[:, 50:].any()


def test_the_background_of_wan_animate_is_black_where_its_mask_is_white():
    person = walking()
    part = whole(person=person)
    areas = conditions.fill_areas(part, conditions.Area(grow=2, block=8))
    background = conditions.animate_background(part, areas)
    assert (background[areas > 0] == 0).all() and torch.equal(background[areas == 0], part.layers.images[areas == 0])
    assert (areas[person > 0] == 1).all() and 0.05 < areas.mean() < 0.3


def test_the_filled_scene_is_in_place_of_the_rim_of_the_old_person():
    person, scene = walking(), torch.full((FRAMES, HEIGHT, WIDTH, 3), 0.25)
    elsewhere = torch.zeros(1, HEIGHT, WIDTH)
    elsewhere[:, 0:8, 0:8] = 1
    part = whole(person=person, scene=scene)
    areas = conditions.fill_areas(part, conditions.Area(elsewhere, 0, 0))
    background = conditions.animate_background(part, areas)
    assert torch.allclose(background[person > 0], torch.tensor(0.25)) and (background[:, :8, :8] == 0).all()


def test_masks_come_in_the_order_in_which_the_network_reads_them():
    """The groups of four: the first frame alone, then frames 1 to 4, 5 to 8, as the model was trained."""
    areas = torch.arange(9.0)[:, None, None].expand(-1, 2, 2)
    groups = conditions.animate_mask(areas)[:, 0, 0].reshape(3, 4)
    assert groups.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]


def test_vace_gets_the_pose_or_grey_where_the_person_is():
    part = whole(person=walking())
    areas = conditions.fill_areas(part, conditions.Area(grow=0, block=0))
    pose = torch.rand(FRAMES, HEIGHT, WIDTH, 3)
    for given, expected in ((None, torch.full_like(pose, 0.5)), (pose, pose)):
        video = conditions.vace_video(part, areas, given)
        assert torch.equal(video[areas > 0], expected[areas > 0])
        assert torch.equal(video[areas == 0], part.layers.images[areas == 0])


def test_each_person_has_a_color_of_its_own_and_the_first_is_in_front():
    masks = torch.zeros(3, 4, 8)
    masks[0, :, 0:3], masks[1, :, 2:5], masks[2, 1, 6] = 1, 1, 0.4
    out = conditions.coloured(masks, white=True)
    assert torch.equal(out[0, 1], torch.tensor([0.0, 0, 1])) and torch.equal(out[0, 2], out[0, 1])
    assert torch.equal(out[0, 4], torch.tensor([1.0, 0, 0])) and (out[1, 6] == 1).all()
    assert (conditions.coloured(masks, white=False)[0, 7] == 0).all()


# --- cut out by a crop -----------------------------------------------------------------------------------------------


def cropped(size=None, frames=FRAMES):
    boxes = torch.tensor([[10 + index, 20, 42 + index, 52] for index in range(frames)])
    return Crop(frames, (HEIGHT, WIDTH), size, [Clip(0, boxes)])


def person_at(x, y, score=0.9):
    parts = {key: np.zeros((count, 3)) for key, count in PARTS.items()}
    parts[BODY][:] = x, y, score
    return parts


def test_keypoints_move_with_the_box_and_its_scale():
    frames = [write(Frame(WIDTH, HEIGHT, [person_at(26 + index, 36)]), "SDPose") for index in range(FRAMES)]
    (part,) = parts_of(layers(), cropped((64, 128)))
    for frame in parse(keypoints_of(part, frames)):
        assert (frame.width, frame.height) == (128, 64)
        # The middle of pixel 16 of 32 pixels lies at 16.5 / 32 of the box.
        assert np.allclose(frame.people[0][BODY][:, :2], (16.5 * 4 - 0.5, 16.5 * 2 - 0.5))
        assert (frame.people[0][FACE] == 0).all(), "what was not detected stays missing"


def test_keypoints_of_another_canvas_are_scaled_first():
    frames = [write(Frame(2 * WIDTH, 2 * HEIGHT, [person_at(52.5, 72.5)]), "SDPose")] * FRAMES
    (part,) = parts_of(layers(), cropped())
    assert np.allclose(parse(keypoints_of(part, frames))[0].people[0][BODY][0, :2], (16, 16))


def test_keypoints_of_the_cropped_pictures_are_taken_too():
    (part,) = parts_of(layers(), cropped((64, 128)))
    frames = [write(Frame(128, 64, [person_at(65.5, 32.5)]), "SDPose") for _ in range(FRAMES)]
    assert np.allclose(parse(keypoints_of(part, frames))[4].people[0][BODY][0], (65.5, 32.5, 0.9))
    assert np.allclose(person_in_clip(part, frames)[4][BODY][0], (10 + 4 + 16, 20 + 16, 0.9))
    longer = keypoints_of(lengthened(part), frames)
    assert len(longer) == 9 and longer[8] == longer[5]


def test_of_several_people_the_one_within_the_mask_is_taken():
    person = torch.zeros(FRAMES, HEIGHT, WIDTH)
    person[:, 20:50, 60:80] = 1
    person[3] = 0
    two = [person_at(12, 30), person_at(70, 30)]
    frames = [write(Frame(WIDTH, HEIGHT, two), "SDPose")] * FRAMES
    found = parse(keypoints_of(whole(person=person), frames))
    assert [len(frame.people) for frame in found] == [1, 1, 1, 0, 1, 1]
    assert found[0].people[0][BODY][0, 0] == 70


def test_a_part_is_as_long_as_a_generator_takes_it():
    (part,) = parts_of(layers(), cropped())
    longer = lengthened(part)
    assert (len(part), len(longer), len(lengthened(longer))) == (6, 9, 9)
    assert [longer.frame(place) for place in range(9)] == [0, 1, 2, 3, 4, 5, 5, 5, 5]
    assert torch.equal(longer.picture(8), part.picture(5))
    ruled = Crop(FRAMES, (HEIGHT, WIDTH), None, [replace(cropped().clips[0], repeated=3)])
    assert torch.equal(parts_of(layers(), ruled)[0].boxes, longer.boxes), "as Crop to Subject repeats it"
    one = parts_of(layers(frames=1), None)[0]
    assert len(lengthened(one)) == 1


# --- faces -----------------------------------------------------------------------------------------------------------


def face(left, top, right, bottom):
    """A person whose face points lie along the sides of a box."""
    person = person_at(0, 0, 0)
    edge = np.linspace(0, 1, 68)
    person[FACE][:68] = np.column_stack((left + edge * (right - left), top + edge * (bottom - top), np.ones(68)))
    return person


def test_a_face_is_framed_as_the_model_s_own_preparation_does_it():
    left, top, right, bottom = face_box(face(30, 10, 50, 40))
    assert np.isclose((right - left) * (bottom - top), AREA * 20 * 30)
    assert np.isclose((right - left) / (bottom - top), 20 / 30)
    assert np.isclose((left + right) / 2, 40) and np.isclose(10 - top, 3 * (bottom - 40))


def test_without_face_points_the_head_gives_the_box():
    person = person_at(0, 0, 0)
    person[BODY][[0, 1, 16, 17]] = (50, 30, 1), (50, 60, 1), (41, 30, 1), (59, 30, 1)
    left, top, right, bottom = face_box(person)
    assert left < 41 and right > 59 and top < 25 and 30 < bottom < 60
    assert face_box(person_at(5, 5, 0)) is None


def test_frames_without_a_face_lie_between_their_neighbors():
    boxes = fill_gaps([None, np.array([0.0, 0, 4, 4]), None, np.array([2.0, 0, 6, 4]), None])
    assert boxes[:, 0].tolist() == [0, 0, 1, 2, 2]
    assert fill_gaps([None, None]) is None


def test_the_face_is_cut_out_of_the_clip_and_not_of_the_crop():
    people = [write(Frame(WIDTH, HEIGHT, [face(30, 10, 50, 40)]), "SDPose")] * FRAMES
    (part,) = parts_of(layers(), cropped((32, 32)))
    pictures, found = conditions.face_pictures(part, people)
    assert pictures.shape == (FRAMES, SIDE, SIDE, 3) and found == FRAMES
    box = face_box(face(30, 10, 50, 40))
    assert torch.equal(pictures[2], cut_face(part.layers.images[2], box))
    none, found = conditions.face_pictures(part, None)
    assert not none.any() and found == 0
    assert not cut_face(part.layers.images[0], np.array([200.0, 0, 220, 20])).any(), "outside of the picture"


# --- references ------------------------------------------------------------------------------------------------------


def test_a_reference_is_whole_and_in_its_own_shape():
    picture = torch.rand(50, 20, 3)
    out = conditions.padded(picture, (100, 120), 1.0)
    assert (out[:, :40] == 1).all() and (out[:, 80:] == 1).all()
    assert abs(out[:, 40:80].mean() - picture.mean()) < 0.02
    assert conditions.padded(picture, (50, 20), 0.0) is picture


def test_a_character_is_put_on_white():
    picture, mask = torch.zeros(4, 4, 3), torch.zeros(4, 4)
    mask[1] = 1
    out = conditions.on_colour(picture, mask, 1.0)
    assert (out[1] == 0).all() and (out[0] == 1).all()
