"""The places of joints made exact: moved until the pose, drawn again, is most like the picture (Levenberg-Marquardt).

Drawing what was read also says how well it was read. Places are in pixels, x and y. Letters: J joints that were found,
H and W pixels, V = 2 J + 2 values: the places, half the width of limbs, the radius of joints.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..opencv import import_cv2
from .drawing import COLOURS, LIMBS, ROUND, discs, limbs, paint
from .strokes import KINDS, colour_numbers

STEPS = 8
DIFFERENCE = 0.5  # pixels by which derivatives are taken
BLURS = (0.7, 1.3, 2.2, 3.5)  # pixels; of these and the shades those that make drawing and picture most alike are taken
MARGIN = 8  # pixels around the person
FARTHEST = 2.0  # pixels of one step
SHADES = (1.0, 0.6)  # brightness of limbs: in some packs they are dimmer than the joints
HOLD = 1e-3  # how firmly a value that the picture says nothing of is kept


@dataclass
class Look:
    """How a skeleton is drawn."""

    half: float
    radius: float
    shade: float = 1.0  # brightness of the limbs


@dataclass
class Fit:
    joints: np.ndarray  # (18, 2), NaN for what is missing
    look: Look
    error: np.ndarray  # (18,) pixels that each joint may be off
    confidence: np.ndarray  # (18,) 1 where the picture shows the joint as it is drawn, 0 where it does not
    residual: float  # mean difference of the drawing and the picture where either is coloured, 0 to 1


def fit(picture: np.ndarray, joints: np.ndarray, look: Look, others: list[np.ndarray]) -> Fit:
    """The joints (18, 2) of one person moved to where they are in (H, W, 3) of 0..1, beside `others` as they are."""
    box = box_of(joints, picture.shape[:2])
    shift = np.array([box[1].start, box[0].start])
    problem = Problem(picture[box], [other - shift for other in others], joints - shift, look)
    values, covariance = minimum(problem, problem.start)
    places, look = problem.read(values)
    found = ~np.isnan(places[:, 0])
    error = np.full(len(places), np.nan)
    spread = np.diag(covariance)[: 2 * found.sum()].reshape(-1, 2)
    error[found] = 2 * np.sqrt(spread.sum(1).clip(0))  # the pixels of a soft picture do not err apart from each other
    return Fit(places + shift, look, error, confidences(problem, values), problem.residual(values))


def confidences(problem: "Problem", values: np.ndarray) -> np.ndarray:
    """(18,) how far the picture shows what each joint adds to the drawing with its limbs, in shape and in colour, 0 to 1."""
    joints, look = problem.read(values)
    whole = problem.drawing(values)
    shown = colour_numbers(problem.picture)
    found = np.zeros(len(joints))
    for joint in (~np.isnan(joints[:, 0])).nonzero()[0]:
        less = joints.copy()
        less[joint] = np.nan
        part = draw_skeletons([*problem.others, less], look, whole.shape[:2])
        found[joint] = min(closer(problem, whole, part), same_colour(whole, part, shown))
    return found


def closer(problem: "Problem", whole: np.ndarray, part: np.ndarray) -> float:
    """How much nearer to the picture a drawing is than one of a part of it: 1 as near as can be, 0 no nearer."""
    whole, part = soft(whole, problem.blur), soft(part, problem.blur)
    added = ((whole - part) ** 2).sum()
    gain = ((part - problem.picture) ** 2).sum() - ((whole - problem.picture) ** 2).sum()
    return float(np.clip(gain / added, 0, 1)) if added > 0 else 0.0


def same_colour(whole: np.ndarray, part: np.ndarray, shown: np.ndarray) -> float:
    """The share of pixels in which a drawing differs from a part of it that have about its colour in the picture."""
    drawn = np.where((whole != part).any(-1), colour_numbers(whole / 255), -1)
    here = drawn >= 0
    off = np.abs(drawn - shown)[here]
    return float(((shown[here] >= 0) & (np.minimum(off, KINDS - off) <= 1)).mean()) if here.any() else 0.0


def box_of(joints: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns around the joints."""
    low, high = np.nanmin(joints, 0) - MARGIN, np.nanmax(joints, 0) + MARGIN + 1
    left, top = (int(max(0, value)) for value in low)
    right, bottom = (
        int(max(start + 1, min(side, value))) for start, side, value in zip((left, top), size[::-1], high, strict=True)
    )
    return slice(top, bottom), slice(left, right)


class Problem:
    """The difference between a picture and the drawing of joints as a function of values."""

    def __init__(self, picture: np.ndarray, others: list[np.ndarray], joints: np.ndarray, look: Look):
        self.picture, self.others = picture, others
        self.found = ~np.isnan(joints[:, 0])
        self.start = np.concatenate((joints[self.found].ravel(), [look.half, look.radius]))
        self.blur, self.shade = min(product(BLURS, SHADES), key=self.first_difference)

    def first_difference(self, softness: tuple[float, float]) -> float:
        """How much the drawing of the start differs with a blur and a shade."""
        self.blur, self.shade = softness
        return float((self.difference(self.start) ** 2).mean())

    def read(self, values: np.ndarray) -> tuple[np.ndarray, Look]:
        joints = np.full((len(self.found), 2), np.nan)
        joints[self.found] = values[:-2].reshape(-1, 2)
        return joints, Look(*np.maximum(values[-2:], 0.4), self.shade)

    def drawing(self, values: np.ndarray) -> np.ndarray:
        """(H, W, 3) bytes."""
        joints, look = self.read(values)
        return draw_skeletons([*self.others, joints], look, self.picture.shape[:2])

    def difference(self, values: np.ndarray) -> np.ndarray:
        """(H, W, 3) drawing less picture, the drawing as soft as the picture."""
        return soft(self.drawing(values), self.blur) - self.picture

    def residual(self, values: np.ndarray) -> float:
        drawing, difference = self.drawing(values), self.difference(values)
        coloured = np.maximum(drawing / 255, self.picture).max(-1) > 0.2
        return float(np.abs(difference)[coloured].mean()) if coloured.any() else 1.0

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """(V, H W 3) how the difference changes with each value; only the part of the drawing that changes is softened."""
        rows = np.zeros((len(values), *self.picture.shape), np.float32)
        reach = int(np.ceil(3 * self.blur)) + 1
        for index, row in enumerate(rows):
            step = np.zeros(len(values))
            step[index] = DIFFERENCE
            more, less = self.drawing(values + step), self.drawing(values - step)
            box = changed(more, less, reach)
            if box is not None:
                row[box] = (soft(more[box], self.blur) - soft(less[box], self.blur)) / (2 * DIFFERENCE)
        return rows.reshape(len(values), -1)


def soft(drawing: np.ndarray, blur: float) -> np.ndarray:
    """(H, W, 3) bytes to blurred colours of 0..1."""
    return import_cv2().GaussianBlur(drawing.astype(np.float32) / 255, (0, 0), blur)


def changed(one: np.ndarray, other: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns in which two drawings differ, with a margin; None where they are equal."""
    different = (one != other).any(-1)
    rows, columns = (different.any(axis).nonzero()[0] for axis in (1, 0))
    if not len(rows):
        return None
    return tuple(slice(max(0, side[0] - margin), side[-1] + margin + 1) for side in (rows, columns))


def draw_skeletons(people: list[np.ndarray], look: Look, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) bytes with people as draw() paints them."""
    canvas = np.zeros((*size, 3), np.uint8)
    shaded = tuple(tuple(round(look.shade * part) for part in colour) for colour in COLOURS)
    for joints in people:
        visible = ~np.isnan(joints[:, 0])
        places = np.nan_to_num(joints)
        paint(canvas, *limbs(places, visible, LIMBS, shaded, ROUND, look.half))
        paint(canvas, *discs(places, visible, COLOURS, look.radius))
    return canvas


def minimum(problem: Problem, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (V,) with the least squared difference, and their covariance (V, V)."""
    damping, here = 1e-2, problem.difference(values).ravel()
    for _ in range(STEPS):
        slopes = problem.slopes(values)
        square, pull = slopes @ slopes.T, slopes @ here
        diagonal = np.diag(square)
        for _ in range(4):
            step = np.linalg.solve(square + np.diag(damping * diagonal + HOLD), -pull).clip(-FARTHEST, FARTHEST)
            there = problem.difference(values + step).ravel()
            if there @ there < here @ here:
                break
            damping *= 6
        else:
            break
        values, here, damping = values + step, there, max(damping / 4, 1e-4)
        if np.abs(step[:-2]).max(initial=0) < 0.02:
            break
    return values, np.linalg.inv(square + HOLD * np.eye(len(square))) * (here @ here) / max(1, len(here) - len(values))
