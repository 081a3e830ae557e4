"""Pictures of 17 COCO joints as OpenPose draws its 18."""

import json

import numpy as np
import torch

from ...models.pose.drawing import draw
from ...models.pose.formats import JOINTS, from_joints

COCO = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
)
FROM_COCO = [COCO.index(joint if joint in COCO else "nose") for joint in JOINTS]  # the neck, joint 1, is computed
SHOULDERS = [COCO.index("left_shoulder"), COCO.index("right_shoulder")]


def openpose_joints(people: np.ndarray) -> np.ndarray:
    """(P, 17, 3) COCO x, y, score to (P, 18, 3) OpenPose; the neck is the middle of the shoulders, absent is zero."""
    absent = ~np.isfinite(people).all(-1) | (people[..., 2] <= 0) | (people[..., :2] < 0).all(-1)
    people = np.where(absent[..., None], 0.0, people)
    joints = people[:, FROM_COCO]
    shoulders = people[:, SHOULDERS]
    joints[:, 1] = shoulders.mean(1)
    joints[:, 1, 2] = shoulders[..., 2].min(1)
    return np.where(joints[..., 2:] > 0, joints, 0.0)


def read_people(text: str | bytes, name: str) -> np.ndarray:
    """A JSON list of {"keypoints": 17 x (x, y, score)} as (P, 17, 3)."""
    try:
        people = [np.array(person["keypoints"], np.float64).reshape(17, 3) for person in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{name}: expected a JSON list of people with 17 COCO keypoints (x, y, score) each, got something else "
            f"({type(error).__name__}: {error}): detect the pose again."
        ) from error
    return np.stack(people) if people else np.zeros((0, 17, 3))


def pose_picture(people: np.ndarray, height: int, width: int, stick_width: float = 4.0) -> np.ndarray:
    """(P, 17, 3) COCO joints drawn as an (H, W, 3) uint8 OpenPose picture."""
    bodies = torch.from_numpy(openpose_joints(people)).float()
    frame = {"canvas_width": width, "canvas_height": height, "people": []}
    if len(bodies):
        alone = from_joints(bodies[..., :2], bodies[..., 2], height, width)
        frame["people"] = [person for one in alone for person in one["people"]]
    return (draw([frame], stick_width=stick_width, threshold=0.0)[0] * 255).round().to(torch.uint8).numpy()
