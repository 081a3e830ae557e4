"""Removing one layer leaves what surrounds the others, bit for bit."""

from dataclasses import replace

import pytest
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.layers.composite import Changes, composite_frame
from pack.models.layers.decompose import decompose
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.scene_frames import COVERED
from pack.models.layers.shadow import dilated
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import Nuisances, add_nuisances

GROW, EMPTY = 4, 3  # pixels around the masks that are filled, frames without a person


@pytest.fixture(scope="module")
def filled():
    """A filmed clip: sensor noise, an object in front in every frame, and no person in the first frames."""
    clip = render(sample_scene(7, objects=1, action="walk", frames=10, height=96, width=96, frame_rate=8))
    person, images = clip.person_mask.clone(), clip.rgb.clone()
    front = clip.layers[1]
    images[:EMPTY] = (front[..., :3] + (1 - front[..., 3:]) * clip.scene_images)[:EMPTY]
    person[:EMPTY] = 0
    images = add_nuisances(images, Nuisances(noise=0.02), 5)
    layers = decompose(images, person, 1 / clip.depth, DEPTH_TYPES[0], front[None, ..., 3])
    layers = replace(layers, in_front=torch.ones_like(layers.in_front))
    return fill_scene(layers, FillSettings(grow_mask=GROW))[0]


def removed(layers, index, **changes):
    return composite_frame(layers, Changes(**changes), index)


def test_the_scene_is_filled_around_what_stays_too(filled):
    """Else the tests below would prove nothing."""
    person, objects = filled.coverages(0)
    assert person.sum() == 0 and objects
    assert (filled.scene[0] != filled.images[0]).any(-1)[objects[0] == 0].sum() > 100


def test_frames_without_a_person_stay_as_they_are(filled):
    for index in range(EMPTY):
        picture, near, changed = removed(filled, index, remove_person=True)
        assert torch.equal(picture, filled.images[index]) and not changed.any()
        assert torch.equal(near, filled.frame_nearness(index))


def test_the_rim_of_an_object_in_front_keeps_its_pixels(filled):
    kept = 0
    for index in range(EMPTY, len(filled.images)):
        person, objects = filled.coverages(index)
        far = ~dilated(person > 0, 2 * GROW + 1)  # no pixel of the person's own rim
        rim = dilated(objects[0] > COVERED, GROW) & far
        picture, _, changed = removed(filled, index, remove_person=True)
        assert torch.equal(picture[rim], filled.images[index][rim]) and not changed[rim].any()
        kept += int(((filled.scene[index] != filled.images[index]).any(-1) & rim & (objects[0] == 0)).sum())
    assert kept > 500


def test_the_rim_of_the_person_is_filled(filled):
    filled_pixels = 0
    for index in range(EMPTY, len(filled.images)):
        person, objects = filled.coverages(index)
        rim = dilated(person > COVERED, GROW) & (person == 0) & ~dilated(objects[0] > 0, 2 * GROW + 1)
        picture, _, _ = removed(filled, index, remove_person=True)
        assert torch.allclose(picture[rim], filled.scene[index][rim], atol=1e-6)
        filled_pixels += int(rim.sum())
    assert filled_pixels > 500


def test_an_object_removed_leaves_the_rim_of_the_person(filled):
    for index in range(EMPTY, len(filled.images)):
        person, objects = filled.coverages(index)
        rim = dilated(person > COVERED, GROW) & ~dilated(objects[0] > 0, 2 * GROW + 1)
        picture, _, _ = removed(filled, index, remove_occluders=True)
        assert torch.equal(picture[rim], filled.images[index][rim])
