"""Keypoints of a clip cleaned: people kept apart over time, outliers removed, short gaps filled, motion smoothed.

Letters: N frames, K points.
"""

from dataclasses import dataclass

import numpy as np

from .formats import BODY, Frame, parse, write
from .outliers import outliers, too_far
from .people import OUTWARD, SHARES, Track, follow_people
from .smooth import jitter, smooth

GONE = 0.1  # of the frames, in which the kept person is missing and others are there
SHORTEST, SPAN = 2.0, 8.0  # frames a turn that are smoothed away at a strength of 0, and how many times as many at 1


@dataclass(frozen=True)
class Settings:
    threshold: float = 0.3
    remove_outliers: bool = True
    fill_frames: int = 8
    strength: float = 0.5


@dataclass
class Cleaned:
    """One person after cleaning."""

    parts: dict[str, np.ndarray]  # (N, K, 3) each
    removed: int  # joints of the body
    filled: int
    jitter: tuple[float, float]  # before and after, pixels

    @property
    def frames(self) -> np.ndarray:
        """The frames that the person is in."""
        return self.parts[BODY][..., 2].any(1).nonzero()[0]

    @property
    def text(self) -> str:
        body, frames = self.parts[BODY], self.frames
        middle = body[frames[0]][body[frames[0], :, 2] > 0, :2].mean(0)
        before, after = self.jitter
        shake = f"; jitter {before:.1f} pixels before, {after:.1f} after" if np.isfinite(before + after) else ""
        return (
            f"frames {frames[0]} to {frames[-1]}, at first at {middle[0]:.0f}, {middle[1]:.0f}; {self.removed} joints removed, "
            f"{self.filled} filled{shake}."
        )


@dataclass
class Filtered:
    """SDPose keypoints of N frames, in which each person has the same place in the list of people throughout."""

    keypoints: list[dict]
    people: list[Cleaned]
    chosen: int  # 0: all

    @property
    def text(self) -> str:
        numbers = range(1, len(self.people) + 1)
        numbers = [number for number in numbers if self.chosen in (0, number)]
        lines = [f"Person {number}: {self.people[number - 1].text}" for number in numbers]
        count = len(self.people)
        people = f"{count} {'person' if count == 1 else 'people'} in {len(self.keypoints)} frames."
        return " ".join([people, *lines])

    @property
    def advice(self) -> str | None:
        if self.people and self.chosen:
            return self.advice_on_gap()
        if self.people:
            return None
        return "No person was found in any frame: lower confidence_threshold, or check the pose detector."

    def advice_on_gap(self) -> str | None:
        """A sentence where the kept person is missing in many frames that show others, as after a cut."""
        own = set(self.people[self.chosen - 1].frames.tolist())
        others = set().union(*(one.frames.tolist() for one in self.people)) - own
        if len(others) < GONE * len(self.keypoints):
            return None
        return (
            f"Person {self.chosen} is in {len(own)} of {len(self.keypoints)} frames, and others are in {len(others)} frames without "
            "this one: after a cut a person has another number. Filter each shot alone, or set keep_person 0 to keep all."
        )


def filter_clip(keypoints: list, settings: Settings, person: int = 0) -> Filtered:
    """Keypoints of any format, cleaned; person 0 keeps all people, 1 the largest, and so on."""
    frames = parse(keypoints)
    tracks = follow_people(frames, settings.threshold)
    if person > len(tracks) > 0:
        raise ValueError(
            f"keep_person: expected 0 for all people or up to {len(tracks)}, as the clip has {len(tracks)}, got {person}: choose "
            "one of these."
        )
    people = [cleaned(track, len(frames), settings) for track in tracks]
    kept = people[person - 1 : person] if person else people
    clip = [
        write(Frame(frame.width, frame.height, [{key: part[i] for key, part in one.parts.items()} for one in kept]), "SDPose")
        for i, frame in enumerate(frames)
    ]  # fmt: skip
    return Filtered(clip, people, person)


def cleaned(track: Track, frames: int, settings: Settings) -> Cleaned:
    """One person with every part cleaned."""
    given = track.in_clip(frames)
    parts, removed, filled, shake = {}, 0, 0, (float("nan"), float("nan"))
    for key, points in given.items():
        found = (points[..., 2] > 0) & (points[..., 2] >= settings.threshold)
        wrong = wrong_points(key, points[..., :2], found, track.size) if settings.remove_outliers else found & False
        parts[key] = clean_points(points, found & ~wrong, settings)
        if key == BODY:
            there = parts[key][..., 2] > 0
            removed, filled = int(wrong.sum()), int((there & ~(found & ~wrong)).sum())
            shake = jitter(points[..., :2], found), jitter(parts[key][..., :2], there)
    return Cleaned(parts, removed, filled, shake)


def wrong_points(key: str, places: np.ndarray, found: np.ndarray, size: float) -> np.ndarray:
    """(N, K) bool of a part: points that jump away and come back, and joints of the body that no limb reaches."""
    wrong = outliers(places, found, size)
    if key != BODY:
        return wrong
    return wrong | too_far(places, found & ~wrong, {limb: SHARES[limb] * size for limb in OUTWARD})


def clean_points(points: np.ndarray, found: np.ndarray, settings: Settings) -> np.ndarray:
    """(N, K, 3), of which (N, K) are found, with short gaps filled and smoothed; zeros where nothing is known."""
    known = found | short_gaps(found, settings.fill_frames)
    between = interpolated(points, found)
    if settings.strength and len(points) > 2:
        period = SHORTEST * SPAN**settings.strength
        weights = found * between[..., 2]  # of 1 on average, since detectors differ in how high they score
        between[..., :2] = smooth(between[..., :2], weights / max(weights.sum() / max(found.sum(), 1), 1e-6), period)
    return between * known[..., None]


def short_gaps(found: np.ndarray, frames: int) -> np.ndarray:
    """(N, K) bool: frames between two that are found, with at most so many in a row."""
    out = np.zeros_like(found)
    for joint in range(found.shape[1]):
        times = found[:, joint].nonzero()[0]
        for before, after in zip(times[:-1], times[1:], strict=True):
            if 1 < after - before <= frames + 1:
                out[before + 1 : after, joint] = True
    return out


def interpolated(points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(N, K, 3) with each point that is not found on the line between its neighbours, ends held; zeros for none at all."""
    out, every = points.copy(), np.arange(len(points))
    for joint in range(points.shape[1]):
        times = found[:, joint].nonzero()[0]
        if not len(times):
            out[:, joint] = 0.0
        elif len(times) < len(points):
            for axis in range(3):
                out[:, joint, axis] = np.interp(every, times, points[times, joint, axis])
    return out
