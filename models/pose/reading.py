"""Keypoints read from pictures of skeletons in the colours of OpenPose.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..opencv import import_cv2
from .assemble import assemble, half_width
from .fit import Fit, Look, fit
from .formats import BODY, JOINTS, PARTS, Frame, write
from .strokes import colour_numbers, strokes_of

LEAST = 4  # joints of a person
HARD = 3.0  # pixels that joints may be off before it is said
HALF = 2.2  # pixels that half a limb is wide where poses are read: finer pictures are made smaller first


@dataclass
class Reading:
    """SDPose keypoints of N frames, and what was read of how many."""

    keypoints: list[dict]
    people: list[list[Fit]]  # per frame
    threshold: float

    @property
    def error(self) -> float:
        """Pixels that a joint may be off, the median over all that were read."""
        errors = [one.error[one.confidence >= self.threshold] for frame in self.people for one in frame]
        return float(np.median(np.concatenate(errors))) if errors else float("nan")

    @property
    def text(self) -> str:
        frames, persons = len(self.people), sum(map(len, self.people))
        if not persons:
            return f"No skeleton was read in {frames} frames."
        seen = sum(map(bool, self.people))
        read = np.sum([one.confidence >= self.threshold for frame in self.people for one in frame], 0)
        width = 2 * np.median([one.look.half for frame in self.people for one in frame])
        missing = [
            f"{JOINTS[joint].replace('_', ' ')} in {persons - read[joint]}"
            for joint in np.argsort(read)
            if read[joint] < persons
        ]
        lines = [
            f"{persons} skeletons in {seen} of {frames} frames, with {read.sum()} of {persons * len(JOINTS)} joints.",
            f"Half of the joints are off by less than about {self.error:.1f} pixels; limbs are {width:.1f} pixels wide.",
        ]
        return " ".join(lines + ([f"Not read, of {persons}: {', '.join(missing)}."] if missing else []))

    @property
    def advice(self) -> str | None:
        empty = sum(not frame for frame in self.people)
        if empty:
            return (
                f"No skeleton was read in {empty} of {len(self.people)} frames: connect pictures of skeletons in the colours of OpenPose "
                "on black, as Draw Pose draws them."
            )
        if self.error > HARD:
            return (
                f"The joints may be off by {self.error:.1f} pixels: the limbs are thin or soft. Draw or generate the skeleton larger, or "
                "use its pictures without reading them."
            )
        return None


def read_clip(
    images: Tensor, most_people: int = 1, threshold: float = 0.6, report: Callable[[int], None] = lambda done: None
) -> Reading:
    """(N, H, W, 3) of 0..1 to keypoints; joints below the threshold get the confidence 0."""
    frames, last = [], []
    for index, picture in enumerate(images):
        people = [one for one in read_frame(picture, most_people) if (one.confidence >= threshold).sum() >= LEAST]
        last = in_order(people, last)
        frames.append(last)
        report(index + 1)
    height, width = images.shape[1:3]
    return Reading([as_keypoints(frame, height, width, threshold) for frame in frames], frames, threshold)


def in_order(people: list[Fit], last: list[Fit]) -> list[Fit]:
    """People in the order of the frame before, each taken for the nearest one there."""
    left, out = list(people), []
    for before in last:
        if left:
            nearest = min(
                left, key=lambda one: np.linalg.norm(np.nanmean(one.joints, 0) - np.nanmean(before.joints, 0))
            )
            left = [one for one in left if one is not nearest]
            out.append(nearest)
    return out + left


def as_keypoints(people: list[Fit], height: int, width: int, threshold: float) -> dict:
    """One frame of SDPose keypoints."""
    rest = {key: np.zeros((count, 3)) for key, count in PARTS.items() if key != BODY}
    bodies = []
    for one in people:
        kept = one.confidence >= threshold
        body = np.column_stack((np.nan_to_num(one.joints), one.confidence)) * kept[:, None]
        bodies.append({BODY: body, **rest})
    return write(Frame(width, height, bodies), "SDPose")


def read_frame(picture: Tensor, most_people: int) -> list[Fit]:
    """The people in (H, W, 3) of 0..1, in its pixels, the one that explains most first."""
    colours = picture.clamp(0, 1).cpu().numpy().astype(np.float32)
    scale = min(1.0, HALF / half_width(strokes_of(colour_numbers(colours))))
    small = resized(colours, scale)
    ratio = np.array([small.shape[1] / colours.shape[1], small.shape[0] / colours.shape[0]])
    numbers = colour_numbers(small)
    half = half_width(strokes_of(numbers))
    people = assemble(numbers, half, most_people)
    fits = [
        fit(small, joints, Look(half, half), people[:index] + people[index + 1 :])
        for index, joints in enumerate(people)
    ]
    return [enlarged(one, ratio) for one in fits]


def resized(colours: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return colours
    size = tuple(max(1, round(side * scale)) for side in colours.shape[1::-1])
    return import_cv2().resize(colours, size, interpolation=import_cv2().INTER_AREA)


def enlarged(one: Fit, ratio: np.ndarray) -> Fit:
    """A fit in the pixels of the picture before it was made smaller."""
    size = ratio.mean()
    look = Look(one.look.half / size, one.look.radius / size, one.look.shade)
    return Fit((one.joints + 0.5) / ratio - 0.5, look, one.error / size, one.confidence, one.residual)
