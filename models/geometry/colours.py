"""Colours of pixels as files of geometry write them."""

from torch import Tensor

from ..srgb import to_linear


def linear(colours: Tensor) -> Tensor:
    """Picture values (sRGB) to linear light, which colours at points are in glTF and USD."""
    return to_linear(colours.clamp(0, 1))


def as_bytes(colours: Tensor) -> Tensor:
    """Picture values to whole numbers from 0 to 255."""
    return (colours.clamp(0, 1) * 255).round().byte()


def at_pixels(picture: Tensor, pixels: Tensor) -> Tensor:
    """(H, W, 3) picture and (K,) pixel numbers to (K, 3) colours."""
    return picture.reshape(-1, 3)[pixels].float()
