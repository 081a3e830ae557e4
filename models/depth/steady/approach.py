"""How much nearer each still point comes while the camera moves, from flow and depth of unknown scale and shift.

A point at ray r and inverse depth u appears after the motion at R r + u T, and its distance has grown by the third
component of that. With u = (depth + offset) / scale the unknown translation is a linear function of the given depth, so
scale and shift need not be known. Letters: K points; rays are (x, y, 1) for a focal length of 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PRIOR = (
    0.2,
    0.2,
    0.2,
    0.02,
    0.02,
    0.02,
    0.3,
    0.3,
    0.3,
)  # of turn, of translation by depth, of translation at mean depth
TURN = 3  # the first of these: without the others the camera only turns
ROUNDS = 6
GUESSES, FEW, JUDGES = 200, 8, 400  # solutions, points of each, points that each is judged by
LEAST = 2e-4  # error of a ray that is always there: a tenth of a pixel of 500
FAR = 2e-3  # error of a ray beyond which it makes no difference: a pixel
OUTLIER = 4.0  # deviations beyond which a point moves on its own
CLEARLY = 0.7  # of the error that a turn alone leaves: what a translation must come below to be taken
PATCH = 25  # neighbouring points whose errors are alike
LIMIT = 3.0  # times that a point may come nearer or go farther between two frames


@dataclass(frozen=True)
class Approach:
    """The motion of the camera between two frames, as the depth of the first frame shows it."""

    growth: Tensor  # (K,) inverse depth after the motion, in multiples of that before
    translation: Tensor  # (6,) times inverse depth: for each standard deviation of depth, and at its mean
    certainty: Tensor  # (6, 6) the inverse covariance of that; 0 where the camera only turns
    mean: float
    deviation: float


def approach(start: Tensor, end: Tensor, depth: Tensor) -> Approach:
    """Rays (K, 3) of the same points in two frames and their depth (K,) in the first to the camera's motion, robustly."""
    start, end, depth = start.double(), end.double(), depth.double()
    mean, deviation = depth.mean().item(), max(depth.std().item(), 1e-12)
    level = (depth - mean) / deviation
    turned, turn, _, turn_error = camera_motion(start, end, level, TURN)
    moved, motion, normal, error = camera_motion(start, end, level, len(PRIOR))
    reach = (OUTLIER * noise_of(error)) ** 2
    left = lambda errors: errors.square().clamp(max=reach).mean()
    if left(error) > CLEARLY * left(turn_error):
        return Approach(
            bounded(turned[:, 2]), torch.zeros_like(motion[TURN:]), 0 * normal[TURN:, TURN:], mean, deviation
        )
    certainty = normal[TURN:, TURN:] - normal[TURN:, :TURN] @ torch.linalg.solve(
        normal[:TURN, :TURN], normal[:TURN, TURN:]
    )
    farther = moved[:, 2] + motion[5] * level + motion[8]
    return Approach(bounded(farther), motion[TURN:], certainty / PATCH, mean, deviation)


def bounded(farther: Tensor) -> Tensor:
    """Distances in multiples of those before to inverse depth in multiples of that before."""
    return 1 / farther.clamp(1 / LIMIT, LIMIT)


def camera_motion(start: Tensor, end: Tensor, level: Tensor, free: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first `free` numbers of a motion: turned rays (K, 3), the motion, its normal matrix, and the errors (K,)."""
    prior = (1 / torch.tensor(PRIOR[:free], dtype=torch.float64).square()).diag()
    rows, wanted = equations(start, end, level, free)
    turn, motion = torch.eye(3, dtype=torch.float64), best_guess(rows, wanted, prior)
    for _ in range(ROUNDS):
        turn = torch.matrix_exp(cross(motion[:TURN])) @ turn
        motion[:TURN] = 0
        turned = start @ turn.T
        rows, wanted = equations(turned, end, level, free)
        error = (rows @ motion - wanted).norm(dim=-1)
        noise = noise_of(error)
        weighted = (tukey(error, OUTLIER * noise) / noise**2)[:, None, None] * rows
        normal = torch.einsum("kai,kaj->ij", weighted, rows) + prior
        motion = torch.linalg.solve(normal, torch.einsum("kai,ka->i", weighted, wanted))
    return turned, motion, normal, error


def equations(turned: Tensor, end: Tensor, level: Tensor, free: int) -> tuple[Tensor, Tensor]:
    """(K, 2, free) and (K, 2): that a point R r + u T, turned a little more, lies on the ray where the flow leads."""
    x, y, z = turned.unbind(1)
    to_x, to_y = end[:, 0], end[:, 1]
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    across = torch.stack((to_x * y, -to_x * x - z, y, -one, zero, to_x), 1)
    down = torch.stack((to_y * y + z, -to_y * x, -x, zero, -one, to_y), 1)
    rows = torch.stack((across, down), 1)
    by_depth = rows[..., TURN:] * level[:, None, None]
    rows = torch.cat((rows[..., :TURN], by_depth, rows[..., TURN:]), -1)
    return rows[..., :free], torch.stack((x - to_x * z, y - to_y * z), 1)


def best_guess(rows: Tensor, wanted: Tensor, prior: Tensor) -> Tensor:
    """(free,) the best of many solutions of a few points each: what moves on its own is often near, and would lead a fit."""
    draw = torch.Generator().manual_seed(0)
    few = torch.randint(len(rows), (GUESSES, FEW), generator=draw)
    some, aims = rows[few].flatten(1, 2), wanted[few].flatten(1)
    solutions = torch.linalg.solve(some.mT @ some / LEAST**2 + prior, (some.mT @ aims[..., None])[..., 0] / LEAST**2)
    judge = torch.linspace(0, len(rows) - 1, min(JUDGES, len(rows))).long()
    errors = (torch.einsum("kai,gi->gka", rows[judge], solutions) - wanted[judge]).norm(dim=-1)
    return solutions[errors.clamp(max=FAR).mean(1).argmin()]


def noise_of(error: Tensor) -> float:
    """(K,) errors of rays to their deviation, most points being still."""
    return max(1.2 * error.median().item(), LEAST)


def tukey(error: Tensor, limit: Tensor | float) -> Tensor:
    """Weights from 1 to 0 at the limit and beyond."""
    return (1 - (error / limit).square()).clamp_min(0).square()


def cross(vector: Tensor) -> Tensor:
    """(3,) to the matrix of its cross product."""
    x, y, z = vector.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
