"""The place and turn of a head from its points in the picture, by least squares with a usual head where points are missing.

Letters: N frames, 5 points of the head (nose, eyes, ears), V = 5 values: place x and y, yaw, pitch, roll.
"""

import math

import torch
from torch import Tensor

from ..stage.body.skeleton import rotation

POINTS = [0, 14, 15, 16, 17]
# From the middle of the ears to the person's left, up and ahead, in radii of the head.
MODEL = ((0.0, -0.2, 1.15), (-0.38, 0.12, 0.9), (0.38, 0.12, 0.9), (-0.98, 0.0, 0.0), (0.98, 0.0, 0.0))
FACING_CAMERA = (1.0, -1.0, -1.0)  # left, up and ahead in camera axes: x right, y down, z forward
# How firmly each value is kept at that of a usual head: of the place almost not, of the turn as one point in 3, 0.4 radians.
KEPT = (0.2, 0.2, 0.6, 2.0, 2.0)
STARTS = (0.0, 1.0, -1.0)  # radians added to the yaw of the trunk
STEPS, DAMPING = 12, 1e-3
DIFFERENCE = 1e-6  # by which derivatives are taken


def fit_head(points: Tensor, weights: Tensor, usual: Tensor) -> Tensor:
    """(N, 5, 3) in radii from (N, 5, 2) points in radii, (N, 5) weights and the values (N, V) of a usual head."""
    points, weights, usual = points.double(), weights.double(), usual.double()
    tries = [descend(points, weights, usual, turn) for turn in STARTS]
    costs = torch.stack([errors(one, points, weights, usual).square().sum(1) for one in tries])
    best = torch.stack(tries)[costs.argmin(0), torch.arange(len(points))]
    return placed(best).float()


def descend(points: Tensor, weights: Tensor, usual: Tensor, turn: float) -> Tensor:
    """(N, V) values after Gauss-Newton steps from a usual head turned by some radians."""
    values = usual.clone()
    values[:, 2] += turn
    unit = torch.eye(values.shape[1], dtype=values.dtype)
    for _ in range(STEPS):
        error = errors(values, points, weights, usual)
        near = [errors(values + DIFFERENCE * one, points, weights, usual) for one in unit]
        slopes = torch.stack([(one - error) / DIFFERENCE for one in near], -1)
        square = slopes.mT @ slopes + DAMPING * unit
        step = torch.linalg.solve(square, slopes.mT @ error[..., None])[..., 0]
        values = values - step.clamp(-1, 1)
    return values


def errors(values: Tensor, points: Tensor, weights: Tensor, usual: Tensor) -> Tensor:
    """(N, 10 + V): how far each point is from its place, and each value from that of a usual head."""
    away = (placed(values)[..., :2] - points) * weights[..., None]
    return torch.cat((away.flatten(1), (values - usual) * values.new_tensor(KEPT)), 1)


def placed(values: Tensor) -> Tensor:
    """(N, V) to the points of the head (N, 5, 3)."""
    yaw, pitch, roll = values[:, 2:].unbind(-1)
    base = torch.diag(values.new_tensor(FACING_CAMERA))
    turn = rotation(roll, 2) @ rotation(yaw, 1) @ base @ rotation(pitch, 0)
    place = torch.cat((values[:, :2], torch.zeros_like(values[:, :1])), 1)
    return values.new_tensor(MODEL) @ turn.mT + place[:, None]


def yaw_of(side: Tensor) -> Tensor:
    """(N,) radians from the direction (N, 3) to a person's left: 0 faces the camera, pi / 2 the left of the picture."""
    return torch.atan2(-side[:, 2], side[:, 0]).remainder(2 * math.pi)
