"""How much nearer each still point comes while the camera moves, from flow and depth of unknown scale.

A point at ray r and inverse depth u appears after the motion at R r + u T, and its distance has grown by the third
component of that. As T is unknown too, depth in any scale does for u, if 0 is about infinitely far away.
Letters: K points; rays are (x, y, 1) for a focal length of 1.
"""

import math

import torch
from torch import Tensor

PRIOR = (0.2, 0.2, 0.2, 0.3, 0.3, 0.3)  # of the turn in radians, of the translation in multiples of a usual distance
TURN = 3  # the first of these: without the others the camera only turns
ROUNDS = 6
GUESSES, JUDGES = 500, 400  # solutions of a few points each, and points that each is judged by
LEAST = 0.1  # pixels of error that flow always has
FAR = 1.0  # pixels of error beyond which it makes no difference
OUTLIER = 3.5  # deviations beyond which a point moves on its own
STILL = 0.3  # share of the points that surely stand still: the deviation is taken of the best ones
LOOSE = 1.0  # pixels that a still point may always lie beside, as flow is not exact where there is little to recognise
CLEARLY = 0.7  # of the error that a turn alone leaves: what a translation must come below to be taken
LIMIT = 3.0  # times that a point may come nearer or go farther between two frames


class CameraMotion:
    """The motion of a camera between two frames, found robustly from rays (K, 3) of the same points and their depth (K,).

    `pixel` is the width of a pixel at a distance of 1.
    """

    def __init__(self, start: Tensor, end: Tensor, depth: Tensor, pixel: float):
        self.usual = torch.maximum(depth.median().abs(), depth.std()).clamp_min(1e-12)
        points = (start, end, depth / self.usual)
        turned, moved = (fitted(*points, free, pixel) for free in (TURN, len(PRIOR)))
        errors = [errors_of(*points, *found) for found in (turned, moved)]
        reach = OUTLIER * noise_of(errors[1], pixel)
        turn_left, left = (error.square().clamp(max=reach**2).mean() for error in errors)
        moves = left <= CLEARLY * turn_left
        self.turn, self.motion = moved if moves else turned
        self.reach = max(OUTLIER * noise_of(errors[moves], pixel), LOOSE * pixel)

    def growth(self, start: Tensor, depth: Tensor) -> Tensor:
        """(K,) inverse depth of still points after the motion, in multiples of that before."""
        distance = (start @ self.turn.T)[:, 2]
        if len(self.motion) > TURN:
            distance = distance + self.motion[-1] * depth / self.usual
        return 1 / distance.clamp(1 / LIMIT, LIMIT)

    def still(self, start: Tensor, end: Tensor, depth: Tensor) -> Tensor:
        """(K,) weights, 0 where a point moves on its own."""
        return tukey(errors_of(start, end, depth / self.usual, self.turn, self.motion), self.reach)


def fitted(start: Tensor, end: Tensor, level: Tensor, free: int, pixel: float) -> tuple[Tensor, Tensor]:
    """The turn (3, 3) and the first `free` numbers of PRIOR that lead most rays where they go."""
    prior = (1 / torch.tensor(PRIOR[:free], dtype=torch.float64).square()).diag()
    rows, wanted = equations(start, end, level, free)
    turn, motion = torch.eye(3, dtype=torch.float64), best_guess(rows, wanted, prior, pixel)
    for _ in range(ROUNDS):
        turn = torch.matrix_exp(cross(motion[:TURN])) @ turn
        motion[:TURN] = 0
        rows, wanted = equations(start @ turn.T, end, level, free)
        error = (rows @ motion - wanted).norm(dim=-1)
        noise = noise_of(error, pixel)
        weighted = (tukey(error, OUTLIER * noise) / noise**2)[:, None, None] * rows
        normal = torch.einsum("kai,kaj->ij", weighted, rows) + prior
        motion = torch.linalg.solve(normal, torch.einsum("kai,ka->i", weighted, wanted))
    turn = torch.matrix_exp(cross(motion[:TURN])) @ turn
    motion[:TURN] = 0
    return turn, motion


def errors_of(start: Tensor, end: Tensor, level: Tensor, turn: Tensor, motion: Tensor) -> Tensor:
    """(K,) how far a motion leads rays beside where they go."""
    rows, wanted = equations(start @ turn.T, end, level, len(motion))
    return (rows @ motion - wanted).norm(dim=-1)


def equations(turned: Tensor, end: Tensor, level: Tensor, free: int) -> tuple[Tensor, Tensor]:
    """(K, 2, free) and (K, 2): that a point R r + u T, turned a little more, lies on the ray where the flow leads."""
    x, y, z = turned.unbind(1)
    to_x, to_y = end[:, 0], end[:, 1]
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    across = torch.stack((to_x * y, -to_x * x - z, y, -one, zero, to_x), 1)
    down = torch.stack((to_y * y + z, -to_y * x, -x, zero, -one, to_y), 1)
    rows = torch.stack((across, down), 1)
    rows[..., TURN:] *= level[:, None, None]
    return rows[..., :free], torch.stack((x - to_x * z, y - to_y * z), 1)


def best_guess(rows: Tensor, wanted: Tensor, prior: Tensor, pixel: float) -> Tensor:
    """(free,) the best of many solutions of a few points each: what moves on its own is often near, and would lead a fit."""
    draw = torch.Generator().manual_seed(0)
    few = torch.randint(len(rows), (GUESSES, 1 + rows.shape[2] // 2), generator=draw)
    some, aims = rows[few].flatten(1, 2), wanted[few].flatten(1)
    sure = (LEAST * pixel) ** -2
    solutions = torch.linalg.solve(sure * some.mT @ some + prior, sure * (some.mT @ aims[..., None])[..., 0])
    judge = torch.linspace(0, len(rows) - 1, min(JUDGES, len(rows))).long()
    errors = (torch.einsum("kai,gi->gka", rows[judge], solutions) - wanted[judge]).norm(dim=-1)
    return solutions[errors.clamp(max=FAR * pixel).mean(1).argmin()]


def noise_of(error: Tensor, pixel: float) -> float:
    """(K,) errors of rays to the deviation of those of still points, across or down."""
    return max(error.quantile(STILL).item() / (-2 * math.log(1 - STILL)) ** 0.5, LEAST * pixel)


def tukey(error: Tensor, limit: Tensor | float) -> Tensor:
    """Weights from 1 to 0 at the limit and beyond."""
    return (1 - (error / limit).square()).clamp_min(0).square()


def cross(vector: Tensor) -> Tensor:
    """(3,) to the matrix of its cross product."""
    x, y, z = vector.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
