"""What is added to a rendered clip: each part does what it says, no more, and the same for the same seed."""

import math

import pytest
import torch
from pack.models.flow.estimate import dis_flow
from pack.models.stage.nuisance import (
    EXPOSURES,
    SWAY,
    Foliage,
    Nuisances,
    add_nuisances,
    camera_shifts,
    cast_shadow,
    exposure_gains,
    leaf_mask,
    shifted,
)

FRAMES, SIZE = 12, (96, 128)


def clip(value=0.5):
    return torch.full((FRAMES, *SIZE, 3), value)


def textured():
    """Smooth waves, so that a cubic shift has a known result."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in SIZE), indexing="ij")
    waves = torch.stack((0.5 + 0.3 * (x / 4).sin(), 0.5 + 0.3 * (y / 5).cos(), 0.5 + 0.2 * ((x + y) / 6).sin()), -1)
    return waves.expand(FRAMES, -1, -1, -1).contiguous()


def person():
    """A person 60 pixels tall and 10 wide, the feet on row 79."""
    mask = torch.zeros(FRAMES, *SIZE)
    mask[:, 20:80, 40:50] = 1
    return mask


ALL = Nuisances(noise=0.02, exposure=0.1, shake=0.5, shadow=0.5, leaves=0.2)


def test_without_nuisances_the_clip_is_the_same_tensor():
    images = clip()
    assert add_nuisances(images, Nuisances(), 3) is images


@pytest.mark.parametrize("name", ["noise", "exposure", "shake", "shadow", "leaves"])
def test_each_one_changes_the_clip_and_is_drawn_from_its_seed(name):
    images = textured()
    alone = Nuisances(**{name: getattr(ALL, name)})
    one, again = (add_nuisances(images, alone, 3, person()) for _ in range(2))
    assert torch.equal(one, again) and not torch.equal(one, images)
    assert 0 <= one.min() and one.max() <= 1
    if name != "shadow":  # which follows from the mask alone
        assert not torch.equal(one, add_nuisances(images, alone, 4, person()))


def test_a_clip_and_its_own_pictures_are_left_alone():
    images = textured()
    before = images.clone()
    add_nuisances(images, ALL, 3, person())
    assert torch.equal(images, before)


def test_noise_has_the_asked_spread_and_grows_with_the_root_of_brightness():
    for brightness in (0.16, 0.64):
        noisy = add_nuisances(clip(brightness), Nuisances(noise=0.02), 3)
        error = noisy - brightness
        assert error.std().item() == pytest.approx(0.02 * math.sqrt(brightness), rel=0.03)
        assert abs(error.mean().item()) < 2e-4
    assert torch.equal(add_nuisances(clip(0.0), Nuisances(noise=0.02), 3), clip(0.0))


def test_noise_of_neighbours_is_independent():
    error = add_nuisances(clip(), Nuisances(noise=0.02), 3) - 0.5
    alike = (error[0] * error[1]).mean() / error[0].std() / error[1].std()
    assert abs(alike.item()) < 0.03


@pytest.mark.parametrize("kind", EXPOSURES)
@pytest.mark.parametrize("seed", range(5))
def test_exposure_falls_once_by_its_share(kind, seed):
    gains = exposure_gains(48, Nuisances(exposure=0.2, exposure_kind=kind), seed)
    assert gains[0] == 1 and gains[-1].item() == pytest.approx(0.8, abs=1e-6)
    assert (gains.diff() <= 0).all()
    changes = gains.diff().abs()
    if kind == "step":
        assert (changes > 0).sum() == 1 and 15 < changes.argmax() < 33
    else:
        assert changes.max() < 0.02 and (changes > 1e-4).sum() > 20


def test_the_picture_is_multiplied_by_the_gain():
    nuisances = Nuisances(exposure=0.2)
    out = add_nuisances(textured(), nuisances, 3)
    gains = exposure_gains(FRAMES, nuisances, 3)
    assert torch.allclose(out, textured() * gains[:, None, None, None], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_shake_stays_within_its_distance_however_long_the_clip_is(seed):
    shifts = camera_shifts(2000, Nuisances(shake=0.5), seed)
    away = shifts.norm(dim=1)
    assert away[0] == 0 and away.max() <= 0.5
    assert away.max() > 0.25  # it does wander
    assert 0 < shifts.diff(dim=0).norm(dim=1).median() < 0.15  # neighbours tremble less than it wanders


def test_the_clip_is_moved_by_the_shifts():
    nuisances = Nuisances(shake=2.0)
    shaken, shifts = add_nuisances(textured(), nuisances, 3), camera_shifts(FRAMES, nuisances, 3)
    assert torch.equal(shaken[0], textured()[0])
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in SIZE), indexing="ij")
    for i in (1, FRAMES - 1):
        right, down = shifts[i].tolist()
        expected = torch.stack((0.5 + 0.3 * ((x - right) / 4).sin(), 0.5 + 0.3 * ((y - down) / 5).cos()), -1)
        inside = (slice(4, -4), slice(4, -4))
        assert (shaken[i][..., :2] - expected)[inside].abs().max() < 2e-3
        measured = dis_flow(textured()[0], shaken[i])[inside].flatten(0, 1).median(0).values
        assert torch.allclose(measured, shifts[i], atol=0.2)


def test_a_shift_of_whole_pixels_is_exact():
    planes = torch.rand(1, 16, 20, 1, generator=torch.Generator().manual_seed(0))
    moved = shifted(planes, torch.tensor([[2.0, -1.0]]))
    assert torch.allclose(moved[0, 1:14, 3:18], planes[0, 2:15, 1:16], atol=1e-4)


def test_the_shadow_begins_at_the_feet_and_leans_away_from_the_light():
    shadow = cast_shadow(person(), 0.6)
    assert 0 <= shadow.min() and shadow.max() <= 0.6 + 1e-6
    assert (shadow * person()).max() == 0  # none on the person
    lit = shadow[0] > 0.05
    rows, columns = lit.nonzero().unbind(1)
    assert rows.max() <= 84 and rows.min() >= 55  # from the feet to about LIES of 60 rows above them
    assert columns.max() > 60 and columns.min() >= 34  # to the right of the person, softly to the left
    beside = shadow[0, :, 50:]  # towards the head it is fainter
    assert beside[74:80].amax() > 1.3 * beside[58:66].amax() > 0


def test_the_shadow_darkens_the_floor_by_its_share():
    out = add_nuisances(clip(), Nuisances(shadow=0.6), 3, person())
    assert torch.allclose(out[..., 0], 0.5 * (1 - cast_shadow(person(), 0.6)), atol=1e-6)


def test_a_shadow_falls_on_the_scene_only():
    scene = 1 - person()
    scene[:, :, 52:] = 0  # something in front
    out = add_nuisances(clip(), Nuisances(shadow=0.6), 3, person(), scene)
    assert (out[:, :, 52:] == 0.5).all() and (out[:, :, 50:52] < 0.5).any()


def test_no_person_casts_no_shadow():
    nobody = torch.zeros(FRAMES, *SIZE)
    assert torch.equal(add_nuisances(clip(), Nuisances(shadow=0.6), 3, nobody), clip())


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_leaves_cover_their_share_and_stay_behind_the_person(share):
    mask = leaf_mask(SIZE, share, 3)
    assert mask.mean().item() == pytest.approx(share, abs=1e-3)
    out = add_nuisances(textured(), Nuisances(leaves=share), 3, person())
    changed = (out != textured()).any(-1)
    assert not (changed & (mask == 0)).any() and not (changed & (person() > 0)).any()
    moving = (out[1:] - out[:-1]).abs().amax(-1) > 1e-4
    assert moving.any(0)[(mask > 0) & (person()[0] == 0)].float().mean() > 0.9


def test_leaves_tremble_by_a_pixel_or_two_and_come_back():
    foliage = Foliage(SIZE, 0.3, 3)
    offsets = torch.stack([foliage.offset(i) for i in range(200)])
    assert 0.7 < offsets.norm(dim=-1).max() <= SWAY * math.sqrt(2)
    assert offsets.mean(0).abs().max() < 0.1


def test_longer_clips_begin_in_the_same_way():
    nuisances = Nuisances(noise=0.02, shake=0.5, leaves=0.2)
    short = add_nuisances(textured()[:5], nuisances, 3)
    assert torch.equal(add_nuisances(textured(), nuisances, 3)[:5], short)


def test_a_clip_of_one_frame_and_portrait_pictures():
    one = torch.rand(1, 64, 32, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 64, 32)
    mask[:, 10:60, 10:20] = 1
    for kind in EXPOSURES:
        out = add_nuisances(one, Nuisances(0.01, 0.2, kind, 0.5, 0.5, 0.2), 0, mask)
        assert out.shape == one.shape and out.isfinite().all()
        assert torch.equal(add_nuisances(one, Nuisances(exposure=0.2, exposure_kind=kind, shake=0.5), 0), one)


@pytest.mark.parametrize(
    "given", [{"noise": -0.1}, {"exposure": 1.0}, {"shadow": 2}, {"leaves": math.nan}, {"exposure_kind": "x"}]
)
def test_values_out_of_range_are_refused(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))}: expected .*, got"):
        Nuisances(**given)


def test_a_shadow_without_a_person_mask_is_refused():
    with pytest.raises(ValueError, match="shadow: expected the mask of the person"):
        add_nuisances(clip(), Nuisances(shadow=0.5), 3)
