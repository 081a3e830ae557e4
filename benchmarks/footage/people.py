"""The keypoints of a detector on a shot: how much they jump, and how much of the person the body drawn of them covers.

Letters: N frames, H and W pixels.
"""

import subprocess
from pathlib import Path

import numpy as np
import torch
from duet_host import pip
from duet_host.errors import HostError
from duet_host.lock import file_lock
from pack.models.pose.formats import from_joints, joints
from torch import Tensor

from .measures import iou
from .nodes import has, run
from .packages import LITERT, POSE_DETECTOR, POSE_MODEL, SPORTS2D, file_of
from .shots import Footage

CONFIDENT = 0.3  # as the nodes count joints at their default
SMALLEST = 1500  # pixels of the visible person that a frame needs to count
LAGS = np.arange(-3, 3.01, 0.25)  # frames
FILTER = "DuetFilterPose"


def environment() -> Path:
    """The interpreter of an environment with the detector's runtime alone, made where it is not there yet."""
    folder = SPORTS2D.folder.parent / LITERT.replace("==", "-")
    with file_lock(folder.with_suffix(".lock"), "Waiting for another process that builds the detector's environment"):
        if not (folder / "complete").is_file():
            pip.make_environment(folder, "Creating the detector's environment")
            pip.run(pip.python_of(folder), "Fetching the detector's runtime", "install", LITERT, "numpy")
            (folder / "complete").touch()
    return pip.python_of(folder)


def detected(shot: Path) -> list[dict]:
    """Keypoints of a prepared shot in the format of SDPose; found once and kept beside it."""
    out = shot.with_name(f"{shot.stem}-pose.npz")
    script = Path(__file__).with_name("detect_pose.py")
    if not out.is_file() or out.stat().st_mtime < max(shot.stat().st_mtime, script.stat().st_mtime):
        files = (file_of(POSE_DETECTOR), file_of(POSE_MODEL))
        command = [environment(), script, shot, *files, out]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise HostError(f"The pose detector failed: {pip.last_useful_line(done.stderr.splitlines())}")
    with np.load(out) as stored, np.load(shot) as clip:
        height, width = clip["plate"].shape[:2]
        points, scores = (torch.from_numpy(stored[name]).float() for name in ("points", "scores"))
    return from_joints(points, scores, height, width)


def measure(footage: Footage, keypoints: list[dict]) -> dict:
    """The rows of a shot: of the detector's keypoints, and of filtered ones where the pack has a node for it."""
    rows = rows_of(footage, keypoints, "raw")
    if has(FILTER):
        filtered = next(iter(run(FILTER, keypoints=keypoints, images=footage.images()).values()))
        rows |= rows_of(footage, filtered, "filtered")
        rows["lag_frames"] = lag(joints(filtered)[0], *joints(keypoints))
    return rows


def rows_of(footage: Footage, keypoints: list[dict], name: str) -> dict:
    body = run("DuetDrawBody", keypoints=keypoints, depth=footage.depth())["body_mask"].numpy() > 0.5
    body = body if footage.kept is None else body & ~footage.kept
    counted = footage.person.sum((1, 2)) >= SMALLEST
    inside = (body & footage.person)[counted].sum() / max(1, footage.person[counted].sum())
    return {
        f"body_iou_{name}": iou(body[counted], footage.person[counted]),
        f"body_covers_percent_{name}": 100 * float(inside),
        f"jitter_px_{name}": jitter(*joints(keypoints)),
    }


def jitter(points: Tensor, scores: Tensor) -> float | None:
    """Pixels: the mean second difference of joints (N, 18, 2) that are visible (N, 18) in three frames in a row."""
    visible = scores > CONFIDENT
    counted = visible[2:] & visible[1:-1] & visible[:-2]
    second = points.diff(dim=0).diff(dim=0).norm(dim=-1)[counted]
    return second.mean().item() if len(second) else None


def lag(filtered: Tensor, points: Tensor, scores: Tensor) -> float | None:
    """Frames by which filtered joints (N, 18, 2) trail the detector's, by the shift at which both are nearest."""
    visible = (scores > CONFIDENT).all(0) if (scores > CONFIDENT).all(0).any() else (scores > CONFIDENT).any(0)
    time = np.arange(len(points))
    inner = slice(3, len(points) - 3)
    errors = []
    for shift in LAGS:
        moved = np.stack([
            np.interp(time - shift, time, points[:, joint, axis].numpy())
            for joint in visible.nonzero()[:, 0].tolist() for axis in (0, 1)
        ])  # fmt: skip
        own = filtered[:, visible].flatten(1).numpy().T
        errors.append(float(np.abs(own - moved)[:, inner].mean()))
    return float(LAGS[int(np.argmin(errors))]) if errors else None


def sheet(footage: Footage, keypoints: list[dict]) -> list[list[tuple[str, Tensor]]]:
    """Rows of labelled pictures: the pose, and the body beside the visible person."""
    body = run("DuetDrawBody", keypoints=keypoints, depth=footage.depth())["body_mask"]
    pose = run("DuetDrawPose", keypoints=keypoints, draw_hands=False, draw_face=False)["pose"]
    images, rows = footage.images(), []
    for index in np.linspace(0, len(images) - 1, 6).round().astype(int).tolist():
        drawn = torch.where(pose[index].amax(-1, keepdim=True) > 0, pose[index], images[index])
        both = torch.stack((body[index], footage.mask()[index], body[index]), -1)
        rows.append([(f"pose, frame {index}", drawn), ("body pink, person green", both)])
    return rows
