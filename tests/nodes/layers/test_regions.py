"""Colored Regions to Masks, and its masks in Decompose into Layers."""

import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.regions import ColorsToMasks
from tiny.painted import noise

COLOURS = torch.tensor([[0, 0, 0], [0.9, 0.1, 0.2], [0.1, 0.7, 0.9], [0.9, 0.8, 0.1], [0.3, 0.2, 0.9]])


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(1, frames=6, height=192, width=192, objects=2))


def read(pictures, background="black", person=0, area=0.2, difference=12.0):
    return ColorsToMasks.execute(pictures, background, person, area, difference).result


def person_number(clip, pictures):
    """The number of the region of the person, which is layer 1 of the stage."""
    masks = read(pictures, person=-1)[1].unflatten(0, (-1, len(pictures)))
    return max(range(len(masks)), key=lambda k: (masks[k] * (clip.layer == 1)).sum())


def test_its_masks_decompose_the_clip(clip):
    pictures = noise(COLOURS[clip.layer.long()])
    number = person_number(clip, pictures)
    person, objects, count, preview, report = read(pictures, person=number)
    assert count == 3 and objects.shape == (2 * 6, 192, 192) and person.shape == (6, 192, 192)
    assert (person - (clip.layer == 1).float()).abs().mean() < 0.01
    assert preview.shape[1:] == (192, 192, 3) and report.count("colour #") == 3
    depth = clip.depth[..., None].expand(-1, -1, -1, 3)
    rest = ["distance", "object masks", 0.4, 0.15, 0.25]
    decompose = lambda person, objects: DecomposeLayers.execute(
        clip.rgb, person, *rest, depth=depth, object_masks=objects
    ).result[2]
    exact = torch.cat([(clip.layer == number).float() for number in (2, 3)])
    occluder, wanted = decompose(person, objects), decompose((clip.layer == 1).float(), exact)
    assert wanted.mean() > 0.01 and (occluder - wanted).abs().mean() < 0.002


def test_without_a_person_all_regions_are_objects(clip):
    pictures = COLOURS[clip.layer.long()]
    person, objects, count = read(pictures, person=-1)[:3]
    assert not person.any() and len(objects) == count * len(pictures)
    assert (objects.unflatten(0, (count, -1)).sum(0) == (clip.layer > 0)).float().mean() > 0.99


def test_one_region_leaves_black_object_masks(caplog):
    pictures = torch.zeros(2, 64, 64, 3)
    pictures[:, 10:50, 10:50] = 1
    person, objects, count = read(pictures)[:3]
    assert count == 1 and person.mean() > 0.3 and objects.shape == (2, 64, 64) and not objects.any()
    person, objects, count, preview, report = read(torch.zeros(2, 64, 64, 3))
    assert count == 0 and not person.any() and not objects.any() and len(preview) == 1
    assert "No region was found" in report and "No region was found" in caplog.text


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda: read(torch.rand(2, 8, 8, 2)), "images: expected an IMAGE batch"),
        (lambda: read(torch.full((1, 8, 8, 3), float("inf"))), "NaN or infinite"),
        (lambda: read(COLOURS[torch.arange(3).repeat_interleave(40).expand(1, 120, 120)], person=7), "expected a number below 2, got 7"),
    ],
)  # fmt: skip
def test_refusals(call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call()
