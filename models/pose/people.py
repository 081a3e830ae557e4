"""People followed over a clip: the same person keeps the same number, by place, size and motion.

Each frame's people are given to those of the frames before, whose places are carried on by their motion. Where two met and
may have changed numbers, their motion before and after decides. Letters: N frames, K points.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .formats import BODY, PARTS, Frame

TRUNK = [1, 2, 5, 8, 11]
JOINTS = 5  # of a body that must be visible, one of the trunk among them, for a person
# Lengths as shares of a person's height, of limbs that lie in the plane of the picture.
SHARES = {
    (1, 8): 0.3, (1, 11): 0.3, (8, 9): 0.25, (11, 12): 0.25, (9, 10): 0.25, (12, 13): 0.25,
    (2, 3): 0.17, (5, 6): 0.17, (3, 4): 0.15, (6, 7): 0.15, (2, 5): 0.21, (0, 1): 0.13,
}  # fmt: skip
OUTWARD = tuple(limb for limb in SHARES if limb not in ((2, 5), (0, 1)))  # from the trunk to hands and feet
LONGEST = 0.75  # quantile of the sizes by each limb: limbs that lean look shorter
# In heights of the person:
REACH, REACH_A_FRAME, FARTHEST = 0.4, 0.1, 1.5  # how far from where it should be a person is still the same
MEETING = 0.3  # distance of two people who may change numbers
SIZE_COUNTS = 1.0  # how much a size that is twice as large counts, against one height of distance
PATIENCE = 30  # frames after which a person who comes back is another one
RECENT = 8  # frames that a motion is measured over
SURE = 0.8  # share of the error below which exchanged numbers are better
SHORT, LONG_CLIP = 3, 12  # in longer clips a person is in at least so many frames


def shows_person(bodies: np.ndarray, threshold: float) -> np.ndarray:
    """(..., 18, 3) to (...) bool: enough joints are visible, some of the trunk among them."""
    visible = (bodies[..., 2] > 0) & (bodies[..., 2] >= threshold)
    return (visible.sum(-1) >= JOINTS) & visible[..., TRUNK].any(-1)


@dataclass
class Track:
    """One person: the parts by frame."""

    parts: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    sizes: dict[int, float] = field(default_factory=dict)
    centres: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.parts)

    @property
    def size(self) -> float:
        return float(np.median(list(self.sizes.values())))

    def add(self, frame: int, parts: dict[str, np.ndarray], threshold: float) -> None:
        visible = parts[BODY][:, 2] >= threshold
        self.parts[frame], self.sizes[frame] = parts, body_size(parts[BODY], visible)
        self.centres[frame] = centre_of(parts[BODY], visible)

    def motion(self, frames: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Place at frame 0 and pixels a frame, of the line through the centres in some frames."""
        times, places = np.array(frames, float), np.stack([self.centres[frame] for frame in frames])
        if len(frames) < 2:
            return places[0], np.zeros(2)
        slope, start = np.polyfit(times, places, 1)
        return start, slope

    def in_clip(self, frames: int) -> dict[str, np.ndarray]:
        """(N, K, 3) of each part, zeros where the person is not found."""
        out = {key: np.zeros((frames, count, 3)) for key, count in PARTS.items()}
        for frame, parts in self.parts.items():
            for key, points in parts.items():
                out[key][frame] = points
        return out


def body_size(body: np.ndarray, visible: np.ndarray) -> float:
    """Pixels of a person's height upright, by the limbs that are visible."""
    both = [(a, b, share) for (a, b), share in SHARES.items() if visible[a] and visible[b]]
    sizes = [np.linalg.norm(body[a, :2] - body[b, :2]) / share for a, b, share in both]
    if not sizes:
        return max(1.0, float(np.ptp(body[visible, :2], axis=0).max(initial=1.0)))
    return max(1.0, float(np.quantile(sizes, LONGEST)))


def centre_of(body: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(2,) middle of the visible joints of the trunk."""
    trunk = np.zeros(len(body), bool)
    trunk[TRUNK] = True
    return body[visible & trunk, :2].mean(0)


def follow_people(frames: list[Frame], threshold: float) -> list[Track]:
    """The people of a clip, who is largest and longest in it first."""
    tracks = []
    for index, frame in enumerate(frames):
        found = []
        for parts in (parts for parts in frame.people if shows_person(parts[BODY], threshold)):
            found.append(Track())
            found[-1].add(index, parts, threshold)
        tracks += continued(tracks, found, index, threshold)
    for one, other in combinations(tracks, 2):
        untangle(one, other)
    enough = SHORT if len(frames) >= LONG_CLIP else 1
    kept = [track for track in tracks if len(track.parts) >= enough]
    return sorted(kept, key=lambda track: -sum(track.sizes.values()))


def continued(tracks: list[Track], found: list[Track], frame: int, threshold: float) -> list[Track]:
    """Adds the people of a frame to the nearest tracks, the surest pair first; returns those that are new."""
    pairs = sorted(
        (cost, i, j)
        for i, track in enumerate(tracks)
        for j, new in enumerate(found)
        if (cost := distance(track, new, frame, threshold)) < np.inf
    )
    taken, given = set(), set()
    for _, i, j in pairs:
        if i not in taken and j not in given:
            taken.add(i), given.add(j)
            tracks[i].add(frame, found[j].parts[frame], threshold)
    return [new for j, new in enumerate(found) if j not in given]


def distance(track: Track, new: Track, frame: int, threshold: float) -> float:
    """Heights between where a person should be and one of this frame, infinite where it is too far to be the same."""
    gap = frame - track.last
    if not 0 < gap <= PATIENCE:
        return np.inf
    recent = [one for one in sorted(track.parts)[-RECENT:] if one >= frame - PATIENCE]
    moved = track.motion(recent)[1] * gap
    before, now = track.parts[track.last][BODY], new.parts[frame][BODY]
    common = (before[:, 2] >= threshold) & (now[:, 2] >= threshold)
    if common.sum() >= 3:
        away = np.median(np.linalg.norm(before[common, :2] + moved - now[common, :2], axis=1))
    else:
        away = np.linalg.norm(track.centres[track.last] + moved - new.centres[frame])
    away /= track.size
    if away > min(REACH + REACH_A_FRAME * (gap - 1), FARTHEST):
        return np.inf
    return away + SIZE_COUNTS * abs(np.log2(new.size / track.size))


def untangle(one: Track, other: Track) -> None:
    """Exchanges what follows a meeting of two people where their motion and size fit better so."""
    for start, end in meetings(one, other):
        before = [parts_around(track, start, -1) for track in (one, other)]
        after = [parts_around(track, end, 1) for track in (one, other)]
        if min(map(len, (*before, *after))) < 2:
            continue
        middle = (start + end) / 2
        cost = lambda a, b, before=before, after=after, middle=middle: mismatch(
            (one, other)[a], before[a], (one, other)[b], after[b], middle
        )
        if cost(0, 1) + cost(1, 0) < SURE * (cost(0, 0) + cost(1, 1)):
            exchange(one, other, int(np.ceil(middle)))


def meetings(one: Track, other: Track) -> list[tuple[int, int]]:
    """First and last frame of each time that two people are near each other, or one of them is not found there."""
    frames = sorted({*one.parts} | {*other.parts})
    frames = [t for t in range(frames[0], frames[-1] + 1) if lives(one, t) and lives(other, t)]
    if not frames:
        return []
    near = MEETING * (one.size + other.size) / 2
    away = np.linalg.norm(centres_at(one, frames) - centres_at(other, frames), axis=1)
    close = [frame for frame, apart in zip(frames, away, strict=True) if apart < near]
    groups = []
    for frame in close:
        if groups and frame - groups[-1][1] <= SHORT:
            groups[-1][1] = frame
        else:
            groups.append([frame, frame])
    return [(start, end) for start, end in groups]


def lives(track: Track, frame: int) -> bool:
    return min(track.parts) <= frame <= track.last


def centres_at(track: Track, frames: list[int]) -> np.ndarray:
    """(N, 2) centres, on the line between neighbours where the person is not found."""
    times = sorted(track.centres)
    places = np.stack([track.centres[frame] for frame in times])
    return np.stack([np.interp(frames, times, places[:, axis]) for axis in range(2)], -1)


def parts_around(track: Track, frame: int, side: int) -> list[int]:
    """The nearest frames of a person on one side of a frame."""
    there = sorted((one for one in track.parts if (one - frame) * side > 0), key=lambda one: abs(one - frame))
    return sorted(one for one in there[:RECENT] if abs(one - frame) <= PATIENCE)


def mismatch(one: Track, before: list[int], other: Track, after: list[int], middle: float) -> float:
    """Heights by which the motion before and after a meeting miss each other, with the difference of sizes."""
    (place, slope), (next_place, next_slope) = one.motion(before), other.motion(after)
    sizes = [np.median([track.sizes[frame] for frame in part]) for track, part in ((one, before), (other, after))]
    span = (after[0] - before[-1]) / 2
    missed = np.linalg.norm(place + slope * middle - next_place - next_slope * middle)
    turned = np.linalg.norm(slope - next_slope) * span
    return (missed + turned) / np.mean(sizes) + SIZE_COUNTS * abs(np.log2(sizes[0] / sizes[1]))


def exchange(one: Track, other: Track, frame: int) -> None:
    """Exchanges two people from a frame on."""
    for name in ("parts", "sizes", "centres"):
        a, b = getattr(one, name), getattr(other, name)
        later = [{t: values[t] for t in values if t >= frame} for values in (a, b)]
        for mine, own, theirs in ((a, later[0], later[1]), (b, later[1], later[0])):
            for t in own:
                del mine[t]
            mine.update(theirs)
