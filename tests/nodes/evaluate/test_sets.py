"""Compare Sets of Clips: its numbers against distances worked out here, its samples and groups, and its refusals."""

import comfy.clip_vision
import comfy.sd
import pytest
import torch
from pack.models.evaluate.features import random_features
from pack.models.evaluate.metrics import frechet
from pack.nodes.evaluate.sets import CompareSets
from tiny.files import vae_state

DEFAULTS = {
    "samples": "frames",
    "clip_frames": 16,
    "features": "random filters",
    "bootstrap_draws": 40,
    "matched_clips": False,
}


def clips_of(count, frames=4, seed=0, strength=1.0):
    g = torch.Generator().manual_seed(seed)
    return [strength * torch.rand(frames, 32, 32, 3, generator=g) for _ in range(count)]


def run(images, reference, **changes):
    values = DEFAULTS | changes
    return CompareSets.execute(images, reference, **{name: [value] for name, value in values.items()}).result


def test_the_distance_of_frames_is_that_of_their_features():
    one, other = clips_of(3), clips_of(5, seed=1, strength=0.5)
    by_hand = lambda clips: random_features([frame[None] for clip in clips for frame in clip])
    value, low, high, by_group, count, report = run(one, other)
    assert value == pytest.approx(frechet(by_hand(one), by_hand(other)), rel=1e-9)
    assert by_group == value and count == 12 and low <= high
    assert (
        f"Fréchet distance {value:.4g} (95 % interval {low:.4g} to {high:.4g}), of 12 frames and 20 reference frames"
        in report
    )
    assert "Few samples: 12, with 64 features" in report


def test_a_long_clip_is_cut_into_samples_and_equal_sets_have_no_distance():
    clip = [torch.cat(clips_of(1, frames=22))]
    value, *_, count, report = run(clip, clip, samples="clips", clip_frames=4)
    assert count == 5 and value == pytest.approx(0, abs=1e-6) and "5 clips and 5 reference clips" in report
    whole = run(clips_of(3), clips_of(2), samples="clips", clip_frames=0)
    assert whole[4] == 2


def test_clips_that_move_differ_from_clips_that_stand_still_only_by_their_motion():
    """Stills of the same pictures: as clips they are far from what moves, by the features of any encoder."""
    vae = comfy.sd.VAE(sd=vae_state())
    moving = clips_of(6)
    still = [clip[:1].repeat(4, 1, 1, 1) for clip in moving]
    as_clips = run(still, moving, samples="clips", clip_frames=0, features="VAE", vae=vae)
    again = run(clips_of(6, seed=9), moving, samples="clips", clip_frames=0, features="VAE", vae=vae)
    assert as_clips[0] > 3 * again[0] > 0 and "features: VAE." in as_clips[5]


def test_groups_have_their_own_distances():
    dark, light = clips_of(3, strength=0.2), clips_of(3, seed=2)
    swapped = run([*dark, *light], [*light, *dark], groups="dark\ndark\ndark\nlight\nlight\nlight")
    assert swapped[0] == pytest.approx(0, abs=1e-6) and swapped[3] > 1
    assert "of 2 groups: dark " in swapped[5]
    right = run(
        [*dark, *light],
        [*light, *dark],
        groups="a\na\na\nb\nb\nb",
        reference_groups="b\nb\nb\na\na\na",
        bootstrap_draws=0,
    )
    assert right[3] == pytest.approx(0, abs=1e-6) and "95 %" not in right[5]
    assert right[1] == right[2] == right[0]


def test_clips_made_from_the_reference_are_drawn_with_it():
    real = clips_of(4)
    filtered = [0.999 * clip for clip in real]
    apart, matched = run(filtered, real), run(filtered, real, matched_clips=True)
    assert matched[0] == apart[0] and apart[2] == 0 and "turn on matched_clips" in apart[5]
    assert 0 < matched[2] and matched[1] <= matched[0] and "turn on" not in matched[5]


def test_what_does_not_fit_is_refused_with_what_to_do():
    one, other = clips_of(2), clips_of(3)
    for changes, message in (
        ({"features": "CLIP"}, "needs clip_vision for the features CLIP, .*Load CLIP Vision"),
        ({"features": "VAE"}, "needs vae for the features VAE, .*Load VAE"),
        ({"samples": "clips"}, "clip_frames is 16, the longest clip has 4 frames.: connect a list"),
        ({"matched_clips": True}, "matched_clips: expected as many samples on both sides, .* got 8 and 12"),
        ({"groups": "a"}, "groups: expected 2 names for 2 clips, one a line, got 1"),
        ({"groups": "a\nb"}, "reference_groups: expected 3 names for 3 clips"),
        ({"reference_groups": "a\nb\nc"}, "groups: expected 2 names for 2 clips, one a line, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            run(one, other, **changes)
    with pytest.raises(ValueError, match="images: expected at least 2 samples, since a set has a spread, got 1"):
        run([one[0][:1]], other)
    with pytest.raises(ValueError, match="reference_images: expected finite numbers"):
        run(one, [other[0] * float("nan")])
