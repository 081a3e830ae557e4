"""A second eye: lenses of a pair of eyes, and the layouts in which players and headsets expect the two pictures.

Letters: H and W pixels.
"""

import math

import torch
from torch import Tensor

from ..srgb import to_linear, to_srgb
from .lens import Fisheye, Pinhole, fisheye

EYE_PLACES = {"left": (0.0, 1.0), "middle": (-0.5, 0.5), "right": (-1.0, 0.0)}  # both eyes' places, in eye distances
# Dubois' least-squares matrices for red-cyan glasses: what the left and the right picture give to red, green and blue,
# in linear light.
DUBOIS = (
    ((0.437, 0.449, 0.164), (-0.062, -0.062, -0.024), (-0.048, -0.050, -0.017)),
    ((-0.011, -0.032, -0.007), (0.377, 0.761, 0.009), (-0.026, -0.093, 1.234)),
)


def eye_lens(place: float, focal: float, size: tuple[int, int], convergence: float) -> Pinhole:
    """An eye `place` metres to the right of the camera; what lies at `convergence` metres stays where it is."""
    turn = torch.eye(3, dtype=torch.float64)
    # Both eyes look straight ahead and the picture is shifted: turned eyes would tilt the picture's far sides.
    turn[0, 2] = focal * place / convergence if math.isfinite(convergence) else 0.0
    return Pinhole(turn, torch.tensor([-focal * place, 0.0, 0.0], dtype=torch.float64), 1.0, size)


def fisheye_lens(place: float, focal: float, size: tuple[int, int], side: int) -> Fisheye:
    """An eye of a VR180 pair: a half sphere in a square picture."""
    return fisheye(torch.tensor([-place, 0.0, 0.0]), focal, size, side)


def side_of_fisheye(focal: float) -> int:
    """The pixels of a half sphere that shows the middle of the picture as large as it is, a multiple of 8."""
    return max(16, round(math.pi * focal / 8) * 8)


def field_of_fisheye(side: int, focal: float, size: tuple[int, int]) -> Tensor:
    """(side, side) bool: directions that the picture of a pinhole camera shows."""
    height, width = size
    across = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) / (side / math.pi)
    down, right = torch.meshgrid(across, across, indexing="ij")
    angle = torch.hypot(right, down)
    stretch = torch.where(
        angle > 1e-6, torch.tan(angle.clamp_max(1.55)) / angle.clamp_min(1e-6), torch.ones_like(angle)
    )
    seen = (angle < 1.55) & ((right * stretch * focal).abs() <= (width - 1) / 2)
    return seen & ((down * stretch * focal).abs() <= (height - 1) / 2)


def anaglyph(left: Tensor, right: Tensor) -> Tensor:
    """Two pictures (H, W, 3) as one for red-cyan glasses, the red glass on the left eye."""
    matrices = torch.tensor(DUBOIS, dtype=left.dtype, device=left.device)
    light = to_linear(left) @ matrices[0].T + to_linear(right) @ matrices[1].T
    return to_srgb(light.clamp(0, 1)).clamp(0, 1)


def half(picture: Tensor, axis: int) -> Tensor:
    """(H, W, C) squeezed to half its height (0) or width (1), the mean of two pixels; the last of an odd number is dropped."""
    count = picture.shape[axis] // 2
    pairs = picture.narrow(axis, 0, 2 * count)
    return pairs.unflatten(axis, (count, 2)).mean(axis + 1)
