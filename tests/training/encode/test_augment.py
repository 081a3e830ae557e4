"""Masks that are dilated, people that are hidden, cut out and stretched."""

from random import Random

import torch
from pack.training.encode.augment import cut_out, dilated, dilation, hide, stretch


def test_masks_never_shrink():
    """The dilated mask holds the mask, grows with the radius, and reaches as far as a disc does."""
    g = torch.Generator().manual_seed(3)
    mask = ((torch.rand(40, 33, generator=g) > 0.97) * 255).to(torch.uint8)
    last = mask.float() / 255
    y, x = torch.meshgrid(torch.arange(40), torch.arange(33), indexing="ij")
    for radius in (0, 1, 3, 6):
        now = dilated(mask, radius)
        assert (now >= last).all() and now.shape == mask.shape
        here = mask.nonzero()
        near = ((y[..., None] - here[:, 0]) ** 2 + (x[..., None] - here[:, 1]) ** 2).amin(-1) <= radius**2
        assert torch.equal(now > 0.5, near)
        last = now
    amounts = [dilation(Random(i), 100) for i in range(300)]
    assert min(amounts) == 0 and 10 < max(amounts) <= 12 and 0.1 < sum(a == 0 for a in amounts) / 300 < 0.3


def test_what_is_hidden_is_grey_and_what_is_cut_out_is_kept():
    picture = torch.randint(0, 255, (3, 16, 16), dtype=torch.uint8)
    mask = torch.zeros(16, 16, dtype=torch.uint8)
    mask[4:9, 5:8] = 255
    inside = mask > 0
    room, person = hide(picture, mask), cut_out(picture, mask)
    assert (room[:, inside] == 128).all() and torch.equal(room[:, ~inside], picture[:, ~inside])
    assert (person[:, ~inside] == 128).all() and torch.equal(person[:, inside], picture[:, inside])
    for seed in range(20):
        made = stretch(person, Random(seed))
        assert made.shape == person.shape and made.dtype == torch.uint8
