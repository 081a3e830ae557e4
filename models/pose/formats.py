"""POSE_KEYPOINT in its three formats.

SDPose    the host's own: pixels, real scores, every part present
DWPose    of controlnet_aux: pixels, score 1 or 0, None for a part that was not detected
OpenPose  of controlnet_aux: as DWPose, but x is divided by the canvas width and y by its height

Pixel centres lie at integer coordinates. Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..choices import POSE_FORMATS, check_choice

JOINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
PARTS = {
    "pose_keypoints_2d": 18,
    "foot_keypoints_2d": 6,
    "face_keypoints_2d": 70,
    "hand_right_keypoints_2d": 21,
    "hand_left_keypoints_2d": 21,
}
BODY, FOOT, FACE, RIGHT_HAND, LEFT_HAND = PARTS
EYES = [14, 15]  # the body joints that a face of 70 points repeats after its 68 landmarks


@dataclass
class Frame:
    """One frame in pixels: per person the parts as (points, 3) arrays of x, y, score; a missing point is all zero."""

    width: int
    height: int
    people: list[dict[str, np.ndarray]]


def detect_format(frames: list[dict]) -> str:
    """The format of a clip: small coordinates are shares of the canvas, scores of only 0 and 1 come from DWPose."""
    people = [person for frame in as_clip(frames) for person in frame.get("people") or []]
    parts = [read_part(person, key, "keypoints") for person in people for key in PARTS]
    present = np.concatenate([part[part[:, 2] > 0] for part in parts] or [np.zeros((0, 3))])
    # A joint just outside the picture is still below 2; a pose whose every pixel is below 2 would be no picture at all.
    if len(present) and np.abs(present[:, :2]).max() <= 2:
        return "OpenPose"
    complete = all(person.get(key) for person in people for key in PARTS)
    return "SDPose" if complete or (present[:, 2] != 1).any() else "DWPose"


def convert(frames: list[dict], pose_format: str, threshold: float = 0.3) -> list[dict]:
    """Any format to the named one; a point below the threshold is missing where scores are only 1 and 0."""
    check_choice(pose_format, POSE_FORMATS)
    return [write(frame, pose_format, threshold) for frame in parse(frames)]


def joints(frames: list[dict]) -> tuple[Tensor, Tensor]:
    """The first person's body: (N, 18, 2) pixels and (N, 18) scores, 0 where there is no person."""
    empty = np.zeros((18, 3))
    bodies = np.stack([frame.people[0][BODY] if frame.people else empty for frame in parse(frames)])
    return torch.from_numpy(bodies[..., :2]).float(), torch.from_numpy(bodies[..., 2]).float()


def from_joints(points: Tensor, scores: Tensor, height: int, width: int) -> list[dict]:
    """(N, 18, 2) pixels and (N, 18) scores to SDPose keypoints of one person without hands, face and feet."""
    bodies = torch.cat((points, scores[..., None]), -1).detach().cpu().double().numpy()
    rest = {key: np.zeros((count, 3)) for key, count in PARTS.items() if key != BODY}
    return [write(Frame(width, height, [{BODY: body, **rest}]), "SDPose") for body in bodies]


def parse(frames: list[dict]) -> list[Frame]:
    """Any format to frames in pixels."""
    shares = detect_format(frames) == "OpenPose"
    return [parse_frame(frame, index, shares) for index, frame in enumerate(as_clip(frames))]


def parse_frame(frame: dict, index: int, shares: bool) -> Frame:
    width, height = (canvas_side(frame, f"canvas_{side}", index) for side in ("width", "height"))
    people = [{key: read_part(person, key, f"frame {index}") for key in PARTS} for person in frame.get("people") or []]
    if shares:
        for part in (part for person in people for part in person.values()):
            # Rounding undoes x / W * W: the host cuts off fractions, and 127.9999999 would be drawn a pixel early.
            part[:, :2] = (part[:, :2] * (width, height)).round(6)
    return Frame(width, height, people)


def read_part(person: dict, key: str, where: str) -> np.ndarray:
    """One part as (points, 3): zeros when it is absent; a face of 68 landmarks gains the eyes of the body."""
    flat, count = person.get(key), PARTS[key]
    if flat is None or len(flat) == 0:
        return np.zeros((count, 3))
    points = np.array([0.0 if value is None else value for value in flat], dtype=np.float64)
    if key == FACE and len(points) == 68 * 3:
        points = np.concatenate((points, read_part(person, BODY, where)[EYES].ravel()))
    if len(points) != count * 3:
        raise ValueError(
            f"{where}: expected {count * 3} numbers in {key} (x, y, score of {count} points), got {len(flat)}: "
            "use a detector of OpenPose bodies, such as SDPose or DWPose."
        )
    points = points.reshape(count, 3)
    return np.where(np.isfinite(points).all(1, keepdims=True) & (points[:, 2:] > 0), points, 0.0)


def write(frame: Frame, pose_format: str, threshold: float = 0.0) -> dict:
    """One frame in the format."""
    scale = (frame.width, frame.height) if pose_format == "OpenPose" else (1, 1)
    people = []
    for person in frame.people:
        if pose_format == "SDPose":
            people.append({key: part.ravel().tolist() for key, part in person.items()})
            continue
        present = {key: (part[:, 2] > 0) & (part[:, 2] >= threshold) for key, part in person.items() if key != FOOT}
        flat = {
            key: np.column_stack((person[key][:, :2] / scale, here)) * here[:, None] for key, here in present.items()
        }
        kept = lambda key, present=present: (
            key == BODY or present[key].any()
        )  # a body is always there, if only as zeros
        people.append({key: part.ravel().tolist() if kept(key) else None for key, part in flat.items()})
    return {"canvas_width": frame.width, "canvas_height": frame.height, "people": people}


def as_clip(frames: list[dict]) -> list[dict]:
    """The list of frames; a single frame counts as a clip of one."""
    frames = [frames] if isinstance(frames, dict) else frames
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        came = f"{len(frames)} entries" if isinstance(frames, list) else type(frames).__name__
        raise ValueError(
            f"keypoints: expected a list with a dict for every frame, got {came}: connect a pose detector."
        )
    return frames


def canvas_side(frame: dict, key: str, index: int) -> int:
    value = frame.get(key)
    if not isinstance(value, int | float) or not 1 <= value <= 65536:
        raise ValueError(
            f"frame {index}: expected {key} in pixels, got {value!r}: keypoints need the size of the picture."
        )
    return int(value)
