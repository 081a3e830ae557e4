"""The curve between the values of pictures (sRGB) and light; beyond 0 to 1 it goes on, below 0 mirrored."""

import torch
from torch import Tensor


def to_linear(values: Tensor) -> Tensor:
    """sRGB to linear light."""
    size = values.abs()
    light = torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return light.copysign(values)


def to_srgb(light: Tensor) -> Tensor:
    """Linear light to sRGB."""
    size = light.abs()
    values = torch.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return values.copysign(light)
