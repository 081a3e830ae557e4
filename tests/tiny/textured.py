"""A clip with texture everywhere, as photographs have it and the stage has not."""

import torch
from torch import Tensor


def textured_clip(frames: int, size: int, seed: int = 2) -> Tensor:
    """(N, H, W, 3) smooth noise of several scales that moves through the picture."""
    source = torch.Generator().manual_seed(seed)
    whole, side = torch.zeros(1, 3, size + 64, size + 64), size + 64
    for octave in range(1, 8):
        coarse = torch.randn(1, 3, 2**octave + 1, 2**octave + 1, generator=source) * 2 ** (-0.9 * octave)
        whole += torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    whole = (0.5 + 0.2 * (whole - whole.mean()) / whole.std()).clamp(0, 1)[0].movedim(0, -1)
    return torch.stack([whole[2 * i : 2 * i + size, 3 * i : 3 * i + size] for i in range(frames)])
