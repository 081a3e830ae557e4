"""The shadow of the person, found in filmed clips of the stage and cast again, against the stage's own shadow."""

from dataclasses import replace

import pytest
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.layers.cast_shadow import Light, cast, fit_light, light_from
from pack.models.layers.decompose import decompose
from pack.models.layers.empty_scene import given_scene, median_scene
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.shadow import ShadowSettings, continued, find_shadow, margin_of, shadow_mask
from pack.models.stage import render, sample_scene
from pack.models.stage.nuisance import FADES, LEANS, LIES, Nuisances, add_nuisances, cast_shadow

FRAMES, SIZE, STRENGTH = 24, 160, 0.5


def filmed(seed=19, shadow=STRENGTH, **nuisances):
    """Layers of a person who walks through a room, the shadow in it (N, H, W), and the scene without both."""
    clip = walking(seed)
    images = add_nuisances(clip.rgb, Nuisances(shadow=shadow, **nuisances), seed, clip.person_mask, clip.scene_mask)
    truth = cast_shadow(clip.person_mask, shadow) * clip.scene_mask if shadow else torch.zeros_like(clip.person_mask)
    layers = decompose(images, clip.person_mask, None, DEPTH_TYPES[0])
    return layers, truth, clip.scene_images


_clips = {}


def walking(seed):
    if seed not in _clips:
        size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 8}
        _clips[seed] = render(sample_scene(seed, objects=0, action="walk", **size))
    return _clips[seed]


def found(layers, scene=None, **settings):
    margin = margin_of(layers.size)
    empty = median_scene(layers, margin) if scene is None else given_scene(layers, scene, margin)
    return find_shadow(empty, ShadowSettings(**settings))


def iou(one, other):
    return (one & other).sum().item() / max(1, (one | other).sum().item())


@pytest.mark.parametrize("nuisances", [{}, {"noise": 0.02}, {"noise": 0.01, "exposure": 0.15}], ids=str)
def test_the_shadow_is_found_against_the_empty_scene(nuisances):
    layers, truth, scene = filmed(**nuisances)
    shadow = found(layers, scene[:1])
    free = layers.person == 0
    area = free & (truth > 0.02)
    error = (shadow.darkness - truth).abs()
    assert area.float().mean() > 0.01
    assert error[area].mean() < 0.05 and error[free & (truth < 0.005)].mean() < 0.004
    assert iou((shadow.darkness > 0.05) & free, (truth > 0.05) & free) > 0.75


def test_no_shadow_is_found_where_there_is_none():
    layers, _, scene = filmed(shadow=0.0, noise=0.02)
    shadow = found(layers, scene[:1])
    assert (shadow.darkness > 0.02).float().mean() < 0.001
    assert torch.equal(shadow.picture(0)[shadow.darkness[0] == 0], torch.ones(SIZE, SIZE, 3)[shadow.darkness[0] == 0])


def test_the_colour_of_a_shadow_is_found():
    """Shadows in the sun are blue: they lose more red than blue."""
    layers, truth, scene = filmed()
    tint = torch.tensor([1.15, 1.0, 0.85])
    images = layers.images / (1 - truth[..., None]) * (1 - truth[..., None] * tint)
    shadow = found(replace(layers, images=images), scene[:1])
    assert torch.allclose(shadow.colour / shadow.colour.mean(), tint, atol=0.06)


def test_nothing_is_found_without_a_person():
    layers, _, scene = filmed()
    shadow = found(replace(layers, person=torch.zeros_like(layers.person)), scene[:1])
    assert shadow.darkness.max() == 0 and shadow.noise == 0


def test_the_median_of_the_clip_serves_as_scene():
    """A person who crosses the picture leaves each place, so that most frames show it."""
    generator = torch.Generator().manual_seed(3)
    scene = 0.4 + 0.3 * torch.rand(20, 30, 3, generator=generator).repeat_interleave(6, 0).repeat_interleave(6, 1)
    person = torch.zeros(16, 120, 180)
    for index in range(16):
        person[index, 40:100, 10 * index : 10 * index + 10] = 1
    truth = cast_shadow(person, STRENGTH)
    images = scene * (1 - truth[..., None])
    images = torch.where(person[..., None] > 0, 0.1, images)
    layers = decompose(images, person, None, DEPTH_TYPES[0])
    shadow = found(layers)
    area = (person == 0) & (truth > 0.02)
    assert (shadow.darkness - truth)[area].abs().mean() < 0.06


def test_the_hole_is_better_without_the_shadow():
    layers, truth, scene = filmed(noise=0.01)
    shadow = found(layers, scene[:1])
    both = torch.stack(
        [
            torch.maximum(one, shadow_mask(dark, 3).float())
            for one, dark in zip(layers.person, shadow.darkness, strict=True)
        ]
    )
    hole = (layers.person > 0.02) | (truth > 0.02)
    error = lambda person: (
        (fill_scene(replace(layers, person=person), FillSettings(inpainted_scene=scene[:1]))[0].scene - scene)[hole]
        ** 2
    ).mean()
    before, after = error(layers.person), error(both)
    assert after < before / 20, (before, after)


def test_a_hole_is_continued_from_around():
    plane, hole = torch.full((60, 60), 0.4), torch.zeros(60, 60, dtype=torch.bool)
    hole[20:40, 20:40] = True
    plane[hole] = 0.0
    whole = continued(plane, hole)
    assert torch.allclose(whole, torch.full_like(whole, 0.4), atol=1e-3)
    assert continued(torch.zeros(8, 8), torch.ones(8, 8, dtype=torch.bool)).max() == 0


# --- cast ------------------------------------------------------------------------------------------------------------


def standing(size=(120, 160)):
    """Who is 60 pixels tall, feet on row 89, and holds an arm out to the left."""
    mask = torch.zeros(*size)
    mask[30:90, 70:82] = 1
    mask[45:52, 50:70] = 1
    return mask


def middle(dark):
    """Row and column of the middle of a shadow."""
    return [
        ((dark * torch.arange(float(n)).view(*shape)).sum() / dark.sum()).item()
        for n, shape in ((120, (-1, 1)), (160, (1, -1)))
    ]


def test_a_shadow_begins_at_the_feet_and_falls_in_its_direction():
    row, column = middle(standing())
    for direction, across, back in ((0, 1, 0), (90, 0, 1), (180, -1, 0), (-90, 0, -1)):
        dark = cast(standing(), light_from(direction, 0.5, strength=0.6, fade=0.0, softness=0.0))
        high = (89 - row) / 2
        assert middle(dark) == pytest.approx([89 - high * back, column + high * across], abs=4)
        assert dark.max() <= 0.6 and dark[82:96, 60:95].max() > 0.25


def test_a_shadow_fades_and_softens_towards_the_head():
    dark = cast(standing(), Light(1.0, 0.5, strength=0.8, fade=0.5, softness=0.02))
    assert dark[84:90, 70:86].max() > 0.7 and 0.2 < dark[60:66, 118:138].max() < 0.5
    assert cast(torch.zeros(8, 8), Light()).max() == 0


@pytest.mark.parametrize(("direction", "length"), [(30, 0.6), (150, 1.0), (-60, 0.8), (10, 1.6)])
def test_the_light_is_fitted_to_a_shadow(direction, length):
    person = torch.stack([standing().roll(shift, 1) for shift in (-20, 0, 10)])
    light = light_from(direction, length, strength=0.55, fade=0.4, softness=0.03)
    dark = torch.stack([cast(one, light) for one in person]) * (person == 0)
    found_light, explained = fit_light(dark, lambda index: person[index], (1.0, 1.0, 1.0), 0.03)
    assert found_light.across == pytest.approx(light.across, abs=0.06)
    assert found_light.back == pytest.approx(light.back, abs=0.06)
    assert found_light.strength == pytest.approx(0.55, abs=0.06) and explained > 0.95


def test_the_light_of_a_filmed_shadow_is_fitted():
    layers, _, scene = filmed(noise=0.01)
    shadow = found(layers, scene[:1])
    light, explained = fit_light(shadow.darkness, lambda index: layers.person[index], (1.0, 1.0, 1.0), 0.02)
    assert light.across == pytest.approx(LEANS, abs=0.15) and light.back == pytest.approx(LIES, abs=0.15)
    assert light.strength == pytest.approx(STRENGTH, abs=0.12) and light.fade == pytest.approx(FADES, abs=0.35)
    assert explained > 0.8


def test_no_shadow_to_fit_is_refused():
    with pytest.raises(ValueError, match="original_shadow: expected the shadow of a person"):
        fit_light(torch.zeros(2, 20, 20), lambda index: torch.ones(20, 20), (1.0, 1.0, 1.0), 0.03)
