"""A pose on another body: the size, the place and, if asked for, the limbs of a character that somebody else moves.

Letters: N frames.
"""

import numpy as np

from ..pose import formats
from ..pose.formats import BODY, FACE, FOOT, LEFT_HAND, RIGHT_HAND, Frame
from .skeleton import SURE

ANCHORS = ("feet", "hips", "neck")
PLACES = ("the character's", "the pose's")
BONES = ((2, 5), (8, 11), (1, 8), (1, 11), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
TREE = (
    *((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
MIRROR = {2: 5, 3: 6, 4: 7, 8: 11, 9: 12, 10: 13}
RIDES = {FACE: 0, RIGHT_HAND: 4, LEFT_HAND: 7}  # which joint carries which part


def align(keypoints: list, reference: list, anchor: str = "feet", limbs: bool = False, where: str = PLACES[0]) -> list:
    """Keypoints of the first person, scaled to the size of the reference's first person and moved to where that stands.

    anchor: what comes to lie on the same place, over the clip on average. limbs: each limb gets the reference's length.
    where: the place and canvas of the reference, or those of the keypoints; sizes are then shares of a canvas's height.
    """
    clip, target = formats.parse(keypoints), formats.parse(reference)
    body, wanted = bodies(clip, "keypoints"), bodies(target, "reference")
    stays = where == PLACES[1]
    if stays:
        wanted = scaled(wanted, clip[0].height / target[0].height)
    own, new = lengths(body), lengths(wanted)
    common = [bone for bone in BONES if own.get(bone) and new.get(bone)]
    if not common:
        raise ValueError(
            "Expected a limb that both poses show to compare their sizes by, found none: use a reference picture "
            "that shows more of the body."
        )
    scale = sum(new[bone] for bone in common) / sum(own[bone] for bone in common)
    ratios = {bone: new[bone] / own[bone] for bone in common} if limbs else {}
    moved = [move(frame, scale, ratios) for frame in clip]
    shift = place(body if stays else wanted, anchor) - place(bodies(moved, "keypoints"), anchor)
    size = clip[0] if stays else target[0]
    return [formats.write(shifted(frame, shift, size), "SDPose") for frame in moved]


def bodies(frames: list[Frame], name: str) -> np.ndarray:
    """(N, 18, 3) of the first person; zeros where nobody is seen."""
    nobody = np.zeros((18, 3))
    found = np.stack([frame.people[0][BODY] if frame.people else nobody for frame in frames])
    if not (found[..., 2] > SURE).any():
        raise ValueError(f"{name}: expected a person in at least one frame, got none: check the pose detector.")
    return found


def lengths(body: np.ndarray) -> dict:
    """How long each limb of (N, 18, 3) is in pixels: as long as it is ever seen, since it looks shorter when it leans."""
    out = {}
    for a, b in BONES:
        seen = (body[:, a, 2] > SURE) & (body[:, b, 2] > SURE)
        if seen.any():
            out[a, b] = float(np.quantile(np.linalg.norm(body[seen, a, :2] - body[seen, b, :2], axis=-1), 0.9))
    return {bone: max(length, out.get(twin(bone), 0.0)) for bone, length in out.items()}


def twin(bone: tuple[int, int]) -> tuple[int, int]:
    """The same limb of the other side."""
    return tuple(MIRROR.get(joint, joint) for joint in bone)


def move(frame: Frame, scale: float, ratios: dict) -> Frame:
    """One frame about the picture's origin: all of it scaled, and the limbs by their own ratios from the neck outwards."""
    if not frame.people:
        return frame
    old = frame.people[0]
    parts = {key: scaled(points, scale) for key, points in old.items()}
    body = parts[BODY]
    for parent, child in TREE if ratios else ():
        if old[BODY][parent, 2] and old[BODY][child, 2]:
            ratio = ratios.get((parent, child), scale)
            if (parent, child) in ((1, 2), (1, 5)):
                ratio = ratios.get((2, 5), scale)
            step = old[BODY][child, :2] - old[BODY][parent, :2]
            body[child, :2] = body[parent, :2] + ratio * step
    for key, joint in RIDES.items():
        ride(parts[key], body[joint], old[BODY][joint], scale)
    for side, joint in ((slice(0, 3), 13), (slice(3, 6), 10)):
        ride(parts[FOOT][side], body[joint], old[BODY][joint], scale)
    return Frame(frame.width, frame.height, [parts])


def scaled(points: np.ndarray, scale: float) -> np.ndarray:
    """(K, 3) with x and y scaled; what is unseen stays zero."""
    return points * (scale, scale, 1.0)


def ride(points: np.ndarray, joint: np.ndarray, before: np.ndarray, scale: float) -> None:
    """Moves (K, 3) in place by as much as their joint left the place that scaling alone gives it."""
    if joint[2]:
        points[points[:, 2] > 0, :2] += joint[:2] - scale * before[:2]


def place(body: np.ndarray, anchor: str) -> np.ndarray:
    """(2,) where (N, 18, 3) stand: of the asked anchor, or of the next higher one that is seen."""
    for name in ANCHORS[ANCHORS.index(anchor) :]:
        joints = {"feet": (10, 13), "hips": (8, 11), "neck": (1,)}[name]
        seen = (body[:, joints, 2] > SURE).all(1)
        if seen.any():
            points = body[seen][:, joints, :2]
            across = points[..., 0].mean(1)
            down = points[..., 1].max(1) if name == "feet" else points[..., 1].mean(1)
            return np.array([np.median(across), np.median(down)])
    points = body[body[..., 2] > SURE]
    return np.median(points[:, :2], axis=0)


def shifted(frame: Frame, shift: np.ndarray, size: Frame) -> Frame:
    """A frame on the canvas of another, everything that is seen moved by (2,) pixels."""
    people = [
        {key: np.where(points[:, 2:] > 0, points + (*shift, 0.0), points) for key, points in person.items()}
        for person in frame.people[:1]
    ]
    return Frame(size.width, size.height, people)
