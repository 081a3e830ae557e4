"""People put together from strokes: the joints whose limbs and discs explain most colour, by dynamic programming on a tree.

The limbs of OpenPose are a tree from the neck outward, so the best person is found exactly among the candidates of each
joint. Places are in pixels, x and y. Letters: C candidates of a joint, D of another, P pixels of a colour, H and W pixels.
"""

from dataclasses import dataclass

import numpy as np

from .drawing import LIMBS
from .strokes import KINDS, Stroke, strokes_of

NECK = 1
SAMPLES = np.linspace(0.12, 0.88, 11)
REACH = 1.5  # half widths from the middle line within which a pixel belongs to a limb
MISSED = 1.5  # how much a part of a limb without its colour costs, against one with it
SEEN = 0.35  # share of a joint's disc that must have its colour
MOST = 24  # candidates of a joint
PIXELS = 800  # of a colour, that are enough to compare candidates
LEAST = 4  # limbs of a person
CHILDREN = {a: [(limb, b) for limb, (one, b) in enumerate(LIMBS) if one == a] for a in range(KINDS)}


@dataclass
class Evidence:
    """What a picture shows, in pixels of its own."""

    numbers: np.ndarray  # (H, W) colour of each pixel, -1 for none
    strokes: list[list[Stroke]]
    half: float  # half the width of a limb


def assemble(numbers: np.ndarray, half: float, most_people: int) -> list[np.ndarray]:
    """(H, W) colours to people, (18, 2) places each with NaN for what is not found, the one that explains most first."""
    people, left = [], numbers.copy()
    while len(people) < most_people:
        evidence = Evidence(left, strokes_of(left), half)
        joints, limbs = best_person(evidence)
        if limbs < LEAST:
            break
        people.append(joints)
        left = without(left, joints, half)
    return people


def half_width(strokes: list[list[Stroke]]) -> float:
    """Half the width of the limbs in pixels, by the median of the longest strokes."""
    long = [one.half_width for pieces in strokes[: len(LIMBS)] for one in pieces[:1] if one.is_long]
    return max(0.7, float(np.median(long))) if long else 1.0


def candidates_of(joint: int, evidence: Evidence) -> np.ndarray:
    """(C, 2) places where a joint may be: its own disc, and the ends of the limbs that meet in it."""
    discs = [one.middle for one in evidence.strokes[joint] if not one.is_long]
    limbs = [limb for limb, ends in enumerate(LIMBS) if joint in ends]
    ends = [end for limb in limbs for one in evidence.strokes[limb][:4] for end in one.ends]
    kept = []
    for place in (*discs, *ends):
        if all(np.linalg.norm(place - other) > 0.7 * evidence.half for other in kept):
            kept.append(place)
    return np.array(kept[:MOST]).reshape(-1, 2)


def best_person(evidence: Evidence) -> tuple[np.ndarray, int]:
    """(18, 2) places of the joints that explain most, NaN for those that are missing, and how many limbs were seen."""
    places = [candidates_of(joint, evidence) for joint in range(KINDS)]
    limbs = [limb_scores(limb, places[a], places[b], evidence) for limb, (a, b) in enumerate(LIMBS)]
    choices: dict[int, np.ndarray] = {}
    total = totals(NECK, places, limbs, evidence, choices)
    joints, seen = np.full((KINDS, 2), np.nan), 0
    todo = [(NECK, int(total.argmax()))]
    while todo:
        joint, chosen = todo.pop()
        here = chosen < len(places[joint])
        if here:
            joints[joint] = places[joint][chosen]
        for limb, child in CHILDREN[joint]:
            following = int(choices[limb][chosen])
            seen += here and following < len(places[child]) and limbs[limb][chosen, following] > 0
            todo.append((child, following))
    return joints, seen


def totals(joint: int, places: list, limbs: list, evidence: Evidence, choices: dict) -> np.ndarray:
    """(C + 1,) what each candidate explains with all that follows outward; the last entry is a joint that is missing."""
    here = np.append(disc_scores(joint, places[joint], evidence), 0.0)
    for limb, child in CHILDREN[joint]:
        following = totals(child, places, limbs, evidence, choices)
        joined = np.zeros((len(here), len(following)))
        joined[:-1, :-1] = limbs[limb]
        choices[limb] = (joined + following).argmax(1)
        here = here + (joined + following).max(1)
    return here


def disc_scores(joint: int, places: np.ndarray, evidence: Evidence) -> np.ndarray:
    """(C,) pixels of the joint's own colour in its disc, less the share that must have it."""
    if not len(places):
        return np.zeros(0)
    pixels, each = pixels_of(evidence.strokes[joint])
    far = np.linalg.norm(pixels[None] - places[:, None], axis=-1)
    return each * (far < 1.2 * evidence.half).sum(1) - SEEN * np.pi * evidence.half**2


def limb_scores(limb: int, starts: np.ndarray, ends: np.ndarray, evidence: Evidence) -> np.ndarray:
    """(C, D) pixels of a limb's colour that lie between two candidates, less what is missing of it there."""
    if not len(starts) or not len(ends):
        return np.zeros((len(starts), len(ends)))
    line = ends[None] - starts[:, None]
    length = np.linalg.norm(line, axis=-1)
    on_line = starts[:, None, None] + SAMPLES[:, None] * line[:, :, None]
    covered = has_colour(evidence.numbers, limb, on_line).mean(-1)
    pixels, each = pixels_of(evidence.strokes[limb])
    explained = each * near_lines(pixels, starts, line, REACH * evidence.half).sum(-1)
    open_length = np.maximum(length - 2 * evidence.half, 0)  # the rest is under the discs of its joints
    score = explained * covered - MISSED * (1 - covered) * open_length * 2 * evidence.half
    return np.where(length > 1e-6, score, -1.0)


def pixels_of(strokes: list[Stroke]) -> tuple[np.ndarray, int]:
    """(P, 2) places of strokes, every so many of them where there are more than are needed, and how many each stands for."""
    pixels = np.concatenate([one.places for one in strokes] or [np.zeros((0, 2))])
    each = 1 + len(pixels) // PIXELS
    return pixels[::each], each


def has_colour(numbers: np.ndarray, colour: int, places: np.ndarray) -> np.ndarray:
    """(..., 2) places to (...) bool: that colour is at the place or beside it."""
    height, width = numbers.shape
    x, y = np.moveaxis(np.round(places).astype(int), -1, 0)
    found = np.zeros(x.shape, bool)
    for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        found |= numbers[(y + dy).clip(0, height - 1), (x + dx).clip(0, width - 1)] == colour
    return found


def near_lines(pixels: np.ndarray, starts: np.ndarray, lines: np.ndarray, reach: float) -> np.ndarray:
    """(P, 2) pixels, (C, 2) starts and (C, D, 2) lines to (C, D, P) bool: the pixel is near the line."""
    off = pixels[None, None] - starts[:, None, None]
    share = (off * lines[:, :, None]).sum(-1) / np.maximum((lines**2).sum(-1), 1e-9)[..., None]
    beside = off - share.clip(0, 1)[..., None] * lines[:, :, None]
    return (beside**2).sum(-1) < reach**2


def without(numbers: np.ndarray, joints: np.ndarray, half: float) -> np.ndarray:
    """(H, W) colours without those of a person."""
    left = numbers.copy()
    for colour in range(KINDS):
        rows, columns = (left == colour).nonzero()
        pixels = np.column_stack((columns, rows)).astype(float)
        gone = np.linalg.norm(pixels - joints[colour], axis=1) < 2 * half  # false where the joint is missing
        if colour < len(LIMBS):
            a, b = joints[list(LIMBS[colour])]
            if not np.isnan(a + b).any():
                gone |= near_lines(pixels, a[None], (b - a)[None, None], 2 * half)[0, 0]
        left[rows[gone], columns[gone]] = -1
    return left
