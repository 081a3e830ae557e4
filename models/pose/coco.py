"""Keypoints in annotations of COCO: images, and people with 17 points each.

COCO-WholeBody adds feet, face and hands. Letters: K points.
"""

import numpy as np

from .formats import BODY, FACE, FOOT, LEFT_HAND, RIGHT_HAND

BESIDE = {"foot_kpts": FOOT, "face_kpts": FACE, "lefthand_kpts": LEFT_HAND, "righthand_kpts": RIGHT_HAND}
POINTS = 17
SHOULDERS = [5, 6]
# Where the 18 joints of OpenPose are among the 17 points; the neck, which COCO has not, follows from the shoulders.
JOINTS_OF_COCO = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
NECK = 1


def coco_frames(value: dict, name: str) -> list[dict]:
    """A frame for each image, in the order of the list."""
    images = value.get("images")
    if not isinstance(images, list) or not images or not all(isinstance(image, dict) for image in images):
        raise ValueError(f"{name}: expected images beside the annotations of COCO, got none: choose another file.")
    frames = {
        str(image.get("id")): {
            "canvas_width": image.get("width"), "canvas_height": image.get("height"), "people": []
        }
        for image in images
    }  # fmt: skip
    for index, one in enumerate(value["annotations"]):
        if isinstance(one, dict) and one.get("keypoints") and str(one.get("image_id")) in frames:
            frames[str(one["image_id"])]["people"].append(person_of(one, f"annotation {index} of {name}"))
    return list(frames.values())


def person_of(annotation: dict, where: str) -> dict:
    """The 18 joints of OpenPose and the parts of COCO-WholeBody."""
    flat = annotation["keypoints"]
    fits = isinstance(flat, list) and len(flat) == 3 * POINTS
    if not fits or not all(isinstance(one, int | float) for one in flat):
        count = len(flat) if isinstance(flat, list) else type(flat).__name__
        raise ValueError(
            f"{where}: expected {3 * POINTS} numbers (x, y, visibility of {POINTS} points), got {count}: only people of "
            "COCO are read."
        )
    points = np.array(flat, dtype=np.float64).reshape(POINTS, 3)
    points[:, 2] = points[:, 2].clip(0, 1)  # 1 is a hidden point and 2 a visible one: both have a place
    joints = points[list(JOINTS_OF_COCO)]
    shoulders = points[SHOULDERS]
    joints[NECK] = (*shoulders[:, :2].mean(0), shoulders[:, 2].min())
    return {BODY: joints.ravel().tolist(), **{ours: annotation.get(theirs) for theirs, ours in BESIDE.items()}}
