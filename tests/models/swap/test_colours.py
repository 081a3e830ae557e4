"""Colours of chunks matched to the original and to each other."""

import pytest
import torch
from pack.models.swap.chunks import along_chunks, join_frame, make_chunks
from pack.models.swap.colours import match_chunks

HIGH, WIDE, FRAMES, OVERLAP = 64, 96, 24, 4
BOUNDS = ((0, 14), (10, 24))


def clip(seed=1):
    """A scene with a person who walks through it."""
    spots = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(seed))
    plane = torch.nn.functional.interpolate(spots, size=(HIGH, WIDE), mode="bilinear")[0].permute(1, 2, 0)
    mask = torch.zeros(FRAMES, HIGH, WIDE)
    for index in range(FRAMES):
        mask[index, 10:60, 10 + 2 * index : 30 + 2 * index] = 1
    return (0.2 + 0.5 * plane).expand(FRAMES, HIGH, WIDE, 3), mask


def swapped(colour=(0.1, 0.2, 0.6)):
    scene, mask = clip()
    return torch.lerp(scene, torch.tensor(colour), mask[..., None])


def drifted(video, start):
    """A chunk whose brightness drifts away from its start on."""
    time = torch.arange(len(video))[:, None, None, None]
    return (1 - 0.012 * time) * video + 0.002 * time + 0.03 * (start > 0)


def chunks_of(video):
    return make_chunks([drifted(video[start:stop], start) for start, stop in BOUNDS], OVERLAP)


def joined(chunks, matched):
    picture = lambda number, place: matched.picture(chunks, number, place)
    return torch.stack([join_frame(chunks, index, picture) for index in range(chunks.frames)])


def test_chunks_get_the_colours_of_the_original_where_both_show_the_scene():
    (scene, mask), chunks = clip(), chunks_of(swapped())
    original = torch.lerp(scene, torch.tensor([0.7, 0.1, 0.1]), mask[..., None])  # another person
    matched = match_chunks(
        chunks,
        along_chunks([original], chunks, "reference_images"),
        along_chunks([mask], chunks, "subject_mask"),
        window=3,
    )
    before = joined(chunks, match_chunks(make_chunks([chunk[:] for chunk in chunks.clips], OVERLAP)))
    result = joined(chunks, matched)
    assert (result - swapped()).abs().mean() < 0.004 < 0.02 < (before - swapped()).abs().mean()
    assert any("Chunk 1 against the original" in line for line in matched.report(1.0))


def test_without_an_original_a_chunk_follows_the_one_in_front_of_it():
    video = swapped()
    flat = [video[start:stop] * (0.9 if start else 1) + (0.05 if start else 0) for start, stop in BOUNDS]
    chunks = make_chunks(flat, OVERLAP)
    matched = match_chunks(chunks)
    assert torch.equal(matched.picture(chunks, 0, 3), flat[0][3]), "the first chunk stays"
    assert torch.allclose(joined(chunks, matched), video, atol=2e-3)
    assert (matched.corrections[1].gain == matched.corrections[1].gain[0]).all()
    text = " ".join(matched.report(1.0))
    assert "Chunk 0: unchanged." in text and "Chunk 1 against chunk 0: red x 1.11" in text


@pytest.mark.parametrize("frames", [1, 2])
def test_a_clip_of_one_frame(frames):
    scene, _ = clip()
    chunks = make_chunks([0.9 * scene[:frames]], 5)
    matched = match_chunks(chunks, along_chunks([scene[:1]], chunks, "reference_images"))
    assert torch.allclose(joined(chunks, matched), scene[:frames], atol=2e-3)


def test_strength_zero_changes_nothing():
    chunks = chunks_of(swapped())
    assert torch.equal(match_chunks(chunks).picture(chunks, 1, 2, 0.0), chunks.clips[1][2])
