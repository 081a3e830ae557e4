"""Clips that share memory until a frame differs."""

from pathlib import Path

import pytest
import torch
from pack.models.layers.shared_clip import SharedClip, constant, shared_with


def write(clip, frames):
    for index, frame in enumerate(frames):
        clip.write(index, frame)
    return clip.clip()


def test_an_equal_clip_is_its_source():
    source = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0))
    assert write(SharedClip(source), source.clone()) is source


def test_a_different_frame_gives_a_clip_of_its_own():
    source = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0))
    frames, before = source.clone(), source.clone()
    frames[2, 1, 1] += 1
    written = write(SharedClip(source), frames)
    assert torch.equal(written, frames) and torch.equal(source, before)
    assert written.data_ptr() != source.data_ptr()


def test_one_number_takes_no_memory():
    plane = constant(1.0, 1000, 1000, 1000)
    assert plane.untyped_storage().nbytes() == 4 and plane[3, 4, 5] == 1
    zeros = write(shared_with(None, 3, 4, 4), torch.zeros(3, 4, 4))
    assert zeros.shape == (3, 4, 4) and zeros.untyped_storage().nbytes() == 4


def test_a_source_of_another_shape_or_kind_is_not_taken():
    for source in (torch.ones(1, 4, 4), torch.ones(3, 4, 4, dtype=torch.bool)):
        written = write(shared_with(source, 3, 4, 4), torch.ones(3, 4, 4))
        assert written.dtype == torch.float32 and torch.equal(written, torch.ones(3, 4, 4))


def resident():
    """Bytes of main memory that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux writes it")
def test_a_layer_takes_memory_where_it_is():
    frames = torch.zeros(24, 540, 960)
    frames[:, 200:300, 400:500] = torch.rand(24, 100, 100, generator=torch.Generator().manual_seed(0))
    before = resident()
    written = write(shared_with(None, 24, 540, 960), frames)
    assert torch.equal(written, frames) and written.is_contiguous()
    assert resident() - before < 0.4 * 4 * written.numel()


def test_pictures_of_a_layer_are_written_too():
    frames = torch.zeros(3, 8, 8, 3)
    frames[1, 2:4, 5:, 1] = 0.5
    assert torch.equal(write(shared_with(None, 3, 8, 8, 3), frames), frames)
    assert (2 * write(shared_with(None, 3, 8, 8, 3), frames).movedim(-1, 1)).max() == 1
