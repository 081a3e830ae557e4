"""Chunks joined: exact counts, fades, and what cannot be joined."""

import pytest
import torch
from pack.models.swap.chunks import along_chunks, join_frame, likely_overlap, make_chunks, overlap_warning


def chunk(frames, value=0.0, size=(4, 6)):
    return torch.full((frames, *size, 3), float(value))


def joined(chunks):
    picture = lambda number, place: chunks.clips[number][place]
    return torch.stack([join_frame(chunks, index, picture) for index in range(chunks.frames)])


@pytest.mark.parametrize("overlap", [0, 1, 4])
def test_a_clip_that_was_cut_comes_back_exactly(overlap):
    clip = torch.rand(21, 4, 6, 3, generator=torch.Generator().manual_seed(1))
    bounds = [(0, 9), (9 - overlap, 17), (17 - overlap, 21)]
    chunks = make_chunks([clip[start:stop] for start, stop in bounds], overlap)
    assert chunks.frames == 21 and chunks.starts == [start for start, _ in bounds]
    assert torch.allclose(joined(chunks), clip, atol=1e-7)


def test_one_chunk_fades_into_the_next():
    values = joined(make_chunks([chunk(5, 0), chunk(5, 1)], 3))[:, 0, 0, 0]
    assert torch.allclose(values, torch.tensor([0, 0, 0.25, 0.5, 0.75, 1, 1]))


def test_a_single_clip_has_no_overlap():
    assert torch.equal(joined(make_chunks([chunk(2, 1)], 5)), chunk(2, 1))


def test_what_cannot_be_joined_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="6 x 4 in chunk 0 and 8 x 4 in chunk 1"):
        make_chunks([chunk(5), chunk(5, size=(4, 8))], 1)
    with pytest.raises(ValueError, match="at least 6 frames in chunk 1, with overlap_frames of 5, got 5"):
        make_chunks([chunk(9), chunk(5)], 5)
    with pytest.raises(ValueError, match="at least 10 frames in chunk 1"):
        make_chunks([chunk(9), chunk(9), chunk(9)], 5)


def test_what_belongs_to_a_chunk_comes_as_one_clip_or_chunk_by_chunk():
    chunks = make_chunks([chunk(5), chunk(5)], 2)
    numbers = torch.arange(8.0)
    whole = along_chunks([numbers], chunks, "mask")
    assert [whole(1, place).item() for place in range(5)] == [3, 4, 5, 6, 7]
    short = along_chunks([numbers[:6]], chunks, "mask")
    assert short(1, 4).item() == 5, "frames that a rule added show the last one"
    assert along_chunks([numbers[:1]], chunks, "mask")(1, 3).item() == 0
    each = along_chunks([numbers[:5], 10 + numbers[:5]], chunks, "mask")
    assert each(1, 2).item() == 12
    with pytest.raises(ValueError, match="expected 1 or 8 frames.*got 4: trim it"):
        along_chunks([numbers[:4]], chunks, "mask")


def moving(frames=30):
    """A light that moves across a scene."""
    scene = torch.rand(40, 60, 3, generator=torch.Generator().manual_seed(2)).expand(frames, 40, 60, 3).clone()
    for index in range(frames):
        scene[index, 10:30, 2 * index : 2 * index + 10] = 1
    return scene


@pytest.mark.parametrize("overlap", [0, 1, 5])
def test_a_wrong_overlap_is_found_also_in_other_colours(overlap):
    clip = moving()
    before, after = clip[:15], 0.8 * clip[15 - overlap :] + 0.1
    assert overlap_warning(make_chunks([before, after], overlap)) is None
    if overlap:
        assert likely_overlap(before, after, overlap + 2) == overlap == likely_overlap(before, after, 0)
        warning = overlap_warning(make_chunks([before, after], overlap + 3))
        assert f"share {overlap} frame" in warning and f"overlap_frames is {overlap + 3}" in warning


def test_a_still_clip_fits_any_overlap():
    still = moving()[:1].expand(10, 40, 60, 3)
    assert overlap_warning(make_chunks([still, still], 4)) is None
