"""Places over time made smooth without a lag: the curve that is near the places and bends little (Whittaker, 1923).

What is smallest over a clip is the squared distance to the places, each with its weight, plus the squared second differences.
It is the same forwards and backwards in time, so motion is not late, and it runs through gaps. Letters: N frames, K points.
"""

import numpy as np

UNKNOWN = 1e-6  # weight of a place that is not known, which only keeps the equations solvable


def bend_weight(period: float) -> float:
    """How much bending counts so that a motion of that many frames a turn keeps half of its size."""
    return float((2 - 2 * np.cos(2 * np.pi / period)) ** -2.0)


def smooth(places: np.ndarray, weights: np.ndarray, period: float) -> np.ndarray:
    """(N, K, 2) places with (N, K) weights to smooth ones, twice so that slow motion keeps its size.

    The second pass adds what the first one took off the motion: of motion of three periods 99 % are left, not 97.
    """
    weights = np.maximum(weights, UNKNOWN)[..., None]
    bend = bend_weight(period)
    first = solve(weights, places * weights, bend)
    return first + solve(weights, (places - first) * weights, bend)


def solve(weights: np.ndarray, right: np.ndarray, bend: float) -> np.ndarray:
    """z of (W + bend D'D) z = right, D the second difference over time, by L D L' of the five diagonals."""
    main, beside, beyond = diagonals(len(right))
    shape = (len(right), *np.broadcast_shapes(weights.shape[1:], right.shape[1:]))
    pivot, one, two = (np.zeros(shape) for _ in range(3))  # of L: one and two places left of the main diagonal
    out = np.zeros(shape)
    for i in range(len(right)):
        pivot[i] = weights[i] + bend * main[i]
        out[i] = right[i]
        if i > 1:
            two[i] = bend * beyond[i - 2] / pivot[i - 2]
            pivot[i] -= two[i] ** 2 * pivot[i - 2]
            out[i] -= two[i] * out[i - 2]
        if i > 0:
            skipped = two[i] * pivot[i - 2] * one[i - 1] if i > 1 else 0.0
            one[i] = (bend * beside[i - 1] - skipped) / pivot[i - 1]
            pivot[i] -= one[i] ** 2 * pivot[i - 1]
            out[i] -= one[i] * out[i - 1]
    out /= pivot
    for i in range(len(right) - 2, -1, -1):
        out[i] -= one[i + 1] * out[i + 1]
        if i + 2 < len(right):
            out[i] -= two[i + 2] * out[i + 2]
    return out


def diagonals(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The main diagonal of D'D and the two beside it, (N,) each; what lies beyond the end is 0."""
    main, beside, beyond = np.zeros((3, frames))
    for i in range(frames - 2):
        main[i : i + 3] += (1, 4, 1)
        beside[i : i + 2] -= 2
        beyond[i] += 1
    return main, beside, beyond


def jitter(places: np.ndarray, found: np.ndarray) -> float:
    """Pixels: the mean second difference over time of (N, K, 2) places, where (N, K) three in a row are found; NaN for none."""
    bends = np.linalg.norm(places[:-2] - 2 * places[1:-1] + places[2:], axis=-1)
    whole = found[:-2] & found[1:-1] & found[2:]
    return float(bends[whole].mean()) if whole.any() else float("nan")
