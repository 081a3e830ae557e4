"""A pose fitted to another body: its size, its place and, if chosen, the lengths of its limbs.

Letters: N frames.
"""

import numpy as np

from ..pose import formats
from ..pose.formats import BODY, FACE, FOOT, LEFT_HAND, RIGHT_HAND, Frame
from .skeleton import MIN_CONFIDENCE

ANCHORS = ("feet", "hips", "neck")
CANVASES = ("character", "clip")
BONES = ((2, 5), (8, 11), (1, 8), (1, 11), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
TREE = (
    *((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
MIRROR = {2: 5, 3: 6, 4: 7, 8: 11, 9: 12, 10: 13}
CARRIED_BY = {FACE: 0, RIGHT_HAND: 4, LEFT_HAND: 7}  # the joint that each part moves with


def align_pose(
    keypoints: list,
    character_keypoints: list,
    anchor: str = "feet",
    match_limbs: bool = False,
    canvas: str = CANVASES[0],
) -> list:
    """Keypoints of the first person, scaled to the size of the character and moved to its place.

    anchor: what is brought to the same place, over the clip on average. match_limbs: each limb gets the character's
    length. canvas: the place and canvas of the character, or of the clip; sizes are then shares of a canvas's height.
    """
    clip, target = formats.parse(keypoints), formats.parse(character_keypoints)
    body, wanted = body_joints(clip, "keypoints"), body_joints(target, "character_keypoints")
    in_clip = canvas == CANVASES[1]
    if in_clip:
        wanted = scale_points(wanted, clip[0].height / target[0].height)
    own, new = limb_lengths(body), limb_lengths(wanted)
    common = [bone for bone in BONES if own.get(bone) and new.get(bone)]
    if not common:
        raise ValueError(
            "character_keypoints: expected a limb that both poses show to compare their sizes by, found none: use a "
            "picture of the character that shows more of the body."
        )
    scale = sum(new[bone] for bone in common) / sum(own[bone] for bone in common)
    ratios = {bone: new[bone] / own[bone] for bone in common} if match_limbs else {}
    moved = [scale_frame(frame, scale, ratios) for frame in clip]
    target_place = anchor_place(body if in_clip else wanted, anchor)
    shift = target_place - anchor_place(body_joints(moved, "keypoints"), anchor)
    size = clip[0] if in_clip else target[0]
    return [formats.write(shift_frame(frame, shift, size), "SDPose") for frame in moved]


def body_joints(frames: list[Frame], name: str) -> np.ndarray:
    """(N, 18, 3) of the first person; zeros in frames without a person."""
    no_person = np.zeros((18, 3))
    found = np.stack([frame.people[0][BODY] if frame.people else no_person for frame in frames])
    if not (found[..., 2] > MIN_CONFIDENCE).any():
        raise ValueError(f"{name}: expected a person in at least one frame, got none: check the pose detector.")
    return found


def limb_lengths(body: np.ndarray) -> dict:
    """Pixels of each limb of (N, 18, 3): its 0.9 quantile over the clip, since a limb that leans is shorter in the picture."""
    out = {}
    for a, b in BONES:
        visible = (body[:, a, 2] > MIN_CONFIDENCE) & (body[:, b, 2] > MIN_CONFIDENCE)
        if visible.any():
            out[a, b] = float(np.quantile(np.linalg.norm(body[visible, a, :2] - body[visible, b, :2], axis=-1), 0.9))
    return {bone: max(length, out.get(mirrored_limb(bone), 0.0)) for bone, length in out.items()}


def mirrored_limb(bone: tuple[int, int]) -> tuple[int, int]:
    """The same limb of the other side."""
    return tuple(MIRROR.get(joint, joint) for joint in bone)


def scale_frame(frame: Frame, scale: float, ratios: dict) -> Frame:
    """One frame scaled about the picture's origin, limbs by their own ratios from the neck outwards."""
    if not frame.people:
        return frame
    old = frame.people[0]
    parts = {key: scale_points(points, scale) for key, points in old.items()}
    body = parts[BODY]
    for parent, child in TREE if ratios else ():
        if old[BODY][parent, 2] and old[BODY][child, 2]:
            ratio = ratios.get((parent, child), scale)
            if (parent, child) in ((1, 2), (1, 5)):
                ratio = ratios.get((2, 5), scale)
            step = old[BODY][child, :2] - old[BODY][parent, :2]
            body[child, :2] = body[parent, :2] + ratio * step
    for key, joint in CARRIED_BY.items():
        move_with_joint(parts[key], body[joint], old[BODY][joint], scale)
    for side, joint in ((slice(0, 3), 13), (slice(3, 6), 10)):
        move_with_joint(parts[FOOT][side], body[joint], old[BODY][joint], scale)
    return Frame(frame.width, frame.height, [parts])


def scale_points(points: np.ndarray, scale: float) -> np.ndarray:
    """(K, 3) with x and y scaled; missing points stay zero."""
    return points * (scale, scale, 1.0)


def move_with_joint(points: np.ndarray, joint: np.ndarray, old_joint: np.ndarray, scale: float) -> None:
    """Moves (K, 3) in place by as much as their joint was moved beyond scaling alone."""
    if joint[2]:
        points[points[:, 2] > 0, :2] += joint[:2] - scale * old_joint[:2]


def anchor_place(body: np.ndarray, anchor: str) -> np.ndarray:
    """(2,) where the anchor of (N, 18, 3) is, or the next higher one where the anchor is not visible."""
    for name in ANCHORS[ANCHORS.index(anchor) :]:
        joints = {"feet": (10, 13), "hips": (8, 11), "neck": (1,)}[name]
        visible = (body[:, joints, 2] > MIN_CONFIDENCE).all(1)
        if visible.any():
            points = body[visible][:, joints, :2]
            across = points[..., 0].mean(1)
            down = points[..., 1].max(1) if name == "feet" else points[..., 1].mean(1)
            return np.array([np.median(across), np.median(down)])
    points = body[body[..., 2] > MIN_CONFIDENCE]
    return np.median(points[:, :2], axis=0)


def shift_frame(frame: Frame, shift: np.ndarray, size: Frame) -> Frame:
    """A frame on the canvas of another, its visible points moved by (2,) pixels."""
    people = [
        {key: np.where(points[:, 2:] > 0, points + (*shift, 0.0), points) for key, points in person.items()}
        for person in frame.people[:1]
    ]
    return Frame(size.width, size.height, people)
