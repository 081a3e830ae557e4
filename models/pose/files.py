"""Keypoints in JSON files: a clip in one file, or one file a frame as the program OpenPose writes them.

One file holds a list with a dict for every frame, as the ControlNet preprocessor pack saves it. OpenPose writes 25 points
of a body, feet among them, and no size of the picture. Letters: N frames.
"""

import json
from pathlib import Path

import numpy as np

from ..choices import KEYPOINT_FILES, POSE_FORMATS, check_choice
from ..numbered import chosen
from ..saving import write_files
from .coco import coco_frames
from .formats import BODY, FACE, FOOT, LEFT_HAND, PARTS, RIGHT_HAND, Frame, convert, parse
from .series import following

ENDING = ".json"
VERSION = 1.3  # of OpenPose's files
BODY_25 = (*range(8), *range(9, 15), *range(15, 19))  # where the 18 joints are among the 25 points of a body
FEET_25, HIPS_25, MIDDLE_25 = slice(19, 25), (9, 12), 8
FARTHEST = 1e9  # pixels: numbers beyond count as missing, as an infinite one does


def write_keypoints(path: Path, keypoints: list, file_format: str, threshold: float) -> Path:
    """One file in a format of POSE_KEYPOINT, or, in a folder of that name, a file for each frame; returns the first."""
    check_choice(file_format, KEYPOINT_FILES)
    if file_format in POSE_FORMATS:
        write_files([path], lambda index, file: file.write(as_json(convert(keypoints, file_format, threshold))))
        return path
    frames = parse(keypoints)
    files = [path / f"{path.name.rstrip('_')}_{index:012}_keypoints{ENDING}" for index in range(len(frames))]
    write_files(files, lambda index, file: file.write(as_json(openpose_file(frames[index]))))
    return files[0]


def as_json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def openpose_file(frame: Frame) -> dict:
    """A frame as the program OpenPose writes it, with the size of its picture added."""
    rest = {f"{name}_keypoints_3d": [] for name in ("pose", "face", "hand_left", "hand_right")}
    people = []
    for person in frame.people:
        flat = {BODY: with_feet(person[BODY], person[FOOT])} | {
            key: person[key] for key in (FACE, LEFT_HAND, RIGHT_HAND)
        }
        flat = {key: part.round(3).ravel().tolist() if part[:, 2].any() else [] for key, part in flat.items()}
        people.append({"person_id": [-1], **flat, **rest})
    return {"version": VERSION, "canvas_width": frame.width, "canvas_height": frame.height, "people": people}


def with_feet(body: np.ndarray, feet: np.ndarray) -> np.ndarray:
    """18 joints and 6 points of the feet to OpenPose's (25, 3)."""
    out = np.zeros((25, 3))
    out[list(BODY_25)], out[FEET_25] = body, feet
    hips = out[list(HIPS_25)]
    if (hips[:, 2] > 0).all():
        out[MIDDLE_25] = (*hips[:, :2].mean(0), hips[:, 2].min())
    return out


def read_keypoints(path: Path, start: int, count: int, height: int, width: int) -> list:
    """Frames of SDPose from a file, or from it and those that follow it; sizes count where the file has none (0: refused)."""
    value = read_json(path)
    if is_frame(value):
        found = [(file.name, one_frame(file)) for file in following(path, start, count)]
    else:
        frames = [(f"frame {index} of {path.name}", frame) for index, frame in enumerate(frames_of(value, path.name))]
        found = chosen(frames, start, count, path.name)
    return convert([whole_frame(frame, where, height, width) for where, frame in found], POSE_FORMATS[0])


def is_frame(value: object) -> bool:
    return isinstance(value, dict) and "people" in value


def one_frame(path: Path) -> dict:
    """The frame in one file of a series."""
    value = read_json(path)
    if not is_frame(value):
        raise ValueError(
            f"{path.name}: expected one frame with people, as the files in front of it, got something else: choose another "
            "file, or set frame_count to end in front of it."
        )
    return value


def frames_of(value: object, name: str) -> list[dict]:
    """The frames of a clip in one file."""
    if isinstance(value, dict) and isinstance(value.get("annotations"), list):
        return coco_frames(value, name)
    if isinstance(value, list) and value and all(map(is_frame, value)):
        return value
    keys = ", ".join(map(str, value))[:80] if isinstance(value, dict) else ""
    came = f"the keys {keys or 'none'}" if isinstance(value, dict) else f"a {type(value).__name__}"
    raise ValueError(
        f"{name}: expected keypoints as SDPose, DWPose or OpenPose writes them, frames with people, or annotations of "
        f"COCO, got {came}: choose another file."
    )


def read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path.name} cannot be read as JSON ({str(error)[:120]}): choose another file, or save it again."
        ) from error


def whole_frame(frame: dict, where: str, height: int, width: int) -> dict:
    """A frame with the size of its picture, whose people have the 18 joints of the body apart from the feet."""
    people = frame.get("people") or []
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise ValueError(f"{where}: expected people as a list of dicts, got {str(people)[:60]}: choose another file.")
    size = {"canvas_width": frame.get("canvas_width") or width, "canvas_height": frame.get("canvas_height") or height}
    if not all(size.values()):
        raise ValueError(
            f"{where} does not hold the size of its picture: set width and height to those of the clip that the keypoints "
            "come from."
        )
    return {**size, "people": [whole_person(person, where) for person in people]}


def whole_person(person: dict, where: str) -> dict:
    parts = {key: numbers(person.get(key), f"{where}: {key}") for key in PARTS}
    body = parts[BODY]
    if body and len(body) == 75:
        points = np.array(body).reshape(25, 3)
        parts[BODY] = points[list(BODY_25)].ravel().tolist()
        parts[FOOT] = parts[FOOT] or points[FEET_25].ravel().tolist()
    return parts


def numbers(values: object, where: str) -> list | None:
    """The numbers of a part, 0 for one that is not finite or beyond any picture."""
    if values is None:
        return None
    if not isinstance(values, list) or not all(value is None or isinstance(value, int | float) for value in values):
        raise ValueError(f"{where}: expected a list of numbers, got {str(values)[:60]}: choose another file.")
    return [value if value is not None and abs(value) < FARTHEST else 0.0 for value in values]
