"""Colour jitter of a whole clip, one draw for all its frames.

Brightness, contrast, saturation and hue in this order are one affine map of colours, so a clip passes through it once.
Letters: n pictures, H and W pixels.
"""

import math
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
TO_YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


class Jitter(NamedTuple):
    """The largest change of each; a hue of 1 is the whole circle."""

    brightness: float
    contrast: float
    saturation: float
    hue: float

    def __call__(self, pictures: Tensor, r: Random) -> Tensor:
        """(n, 3, H, W) uint8 to the same."""
        around = lambda amount: r.uniform(max(0.0, 1 - amount), 1 + amount)
        light, contrast, saturation = around(self.brightness), around(self.contrast), around(self.saturation)
        angle = 2 * math.pi * r.uniform(-self.hue, self.hue)
        luma = torch.tensor(LUMA)
        flat = pictures.movedim(1, -1).float() * light
        grey = (flat[0] @ luma).mean()  # of the first picture: the frames of a clip stay alike
        matrix = turned(angle) @ (saturation * torch.eye(3) + (1 - saturation) * luma.expand(3, 3)) * contrast
        out = flat @ matrix.T + (1 - contrast) * grey
        return out.clamp(0, 255).round().to(torch.uint8).movedim(-1, 1).contiguous()


def turned(angle: float) -> Tensor:
    """(3, 3): colours turned around the axis of greys, their brightness kept."""
    space = torch.tensor(TO_YIQ)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor(((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)))
    return torch.linalg.inv(space) @ turn @ space


PAIRS = Jitter(0.1, 0.1, 0.1, 0.1)  # stage 1 of LFDM
CLIPS = Jitter(64 / 255, 0.25, 0.25, 0.04)  # stage 2
