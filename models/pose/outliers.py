"""Joints that jump away and come back within a few frames, as detectors do, apart from joints that move fast.

Letters: N frames, K points, n frames in which a joint is found.
"""

import numpy as np

LONGEST = 5  # frames of a jump
ACROSS = 3  # further frames, in which the joint is not found, that a jump may span
FARTHEST = 0.1  # of the person's height: nearer jumps of one frame may be motion, longer ones must be farther
STRETCH = 1.7  # times its usual length that a limb may have
USUAL = 5.0  # times the joint's usual distance from the middle of its neighbours


def outliers(places: np.ndarray, found: np.ndarray, size: float) -> np.ndarray:
    """(N, K, 2) places, of which (N, K) are found, to (N, K) bool: the joint is not where it was found."""
    out = np.zeros_like(found)
    for joint in range(places.shape[1]):
        times = found[:, joint].nonzero()[0]
        wrong = jumps(times, places[times, joint], FARTHEST * size)
        out[times[wrong], joint] = True
    return out


def too_far(places: np.ndarray, found: np.ndarray, lengths: dict[tuple[int, int], float]) -> np.ndarray:
    """(N, K) bool: joints that are farther from the next one inward than a limb is long, by pixels of each limb."""
    out = np.zeros_like(found)
    for (start, end), length in lengths.items():
        far = np.linalg.norm(places[:, end] - places[:, start], axis=1) > STRETCH * length
        out[:, end] |= far & found[:, start] & found[:, end] & ~out[:, start]
    return out


def jumps(times: np.ndarray, places: np.ndarray, nearest: float) -> np.ndarray:
    """(n,) bool: places (n, 2) away from the line of those around them, shorter jumps first."""
    left = np.arange(len(times))
    usual = usual_distance(times, places)
    for length in range(1, LONGEST + 1):
        far = max(nearest * (3 + length) / 4, USUAL * usual * (length + 1) ** 2 / 4)
        left = left[~runs_away(times[left], places[left], length, far)]
    wrong = np.ones(len(times), bool)
    wrong[left] = False
    return wrong


def usual_distance(times: np.ndarray, places: np.ndarray) -> float:
    """Pixels: the median over time of the distance from the middle of both neighbours."""
    if len(times) < 3:
        return 0.0
    return float(np.median(np.linalg.norm(places[1:-1] - (places[:-2] + places[2:]) / 2, axis=1)))


def runs_away(times: np.ndarray, places: np.ndarray, length: int, far: float) -> np.ndarray:
    """(n,) bool: `length` places after each other that are all far from the line from the one before to the one after."""
    out, count = np.zeros(len(times), bool), len(times) - length - 1
    if count < 1:
        return out
    before, after = slice(0, count), slice(length + 1, None)
    span = times[after] - times[before]
    away = []
    for step in range(1, length + 1):
        inside = slice(step, step + count)
        share = ((times[inside] - times[before]) / span)[:, None]
        away.append(np.linalg.norm(places[inside] - places[before] * (1 - share) - places[after] * share, axis=1))
    nearest = np.min(away, 0)
    comes_back = np.linalg.norm(places[after] - places[before], axis=1) < nearest
    wrong = (nearest > far) & comes_back & (span <= length + 1 + ACROSS)
    for start in wrong.nonzero()[0]:
        out[start + 1 : start + 1 + length] = True
    return out
