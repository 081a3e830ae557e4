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
FILTER = "DuetFilterKeypoints"


def environment() -> Path:
    """The interpreter of an environment with the detector's runtime alone, made where it is not there yet."""
    folder = SPORTS2D.folder.parent / LITERT.replace("==", "-")
    with file_lock(
        folder.with_name(f"{folder.name}.lock"), "Waiting for another process that builds the detector's environment"
    ):
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
    raw = joints(keypoints)
    rows = body_rows(footage, keypoints, "raw") | {"jitter_px_raw": jitter(*raw)}
    if has(FILTER):
        found = run(FILTER, keypoints=keypoints, keep_person=1)["keypoints"]
        filtered = joints(found)
        both = torch.minimum(raw[1], filtered[1])
        rows |= body_rows(footage, found, "filtered")
        rows |= {"jitter_px_filtered": jitter(filtered[0], both), "jitter_px_same": jitter(raw[0], both)}
        rows["lag_frames"] = lag(filtered[0], raw[0], both)
    return rows


def body_rows(footage: Footage, keypoints: list[dict], name: str) -> dict:
    body = run("DuetDrawBody", keypoints=keypoints, depth=footage.depth())["body_mask"].numpy() > 0.5
    body = body if footage.kept is None else body & ~footage.kept
    counted = footage.person.sum((1, 2)) >= SMALLEST
    inside = (body & footage.person)[counted].sum() / max(1, footage.person[counted].sum())
    return {
        f"body_iou_{name}": iou(body[counted], footage.person[counted]),
        f"body_covers_percent_{name}": 100 * float(inside),
    }


def jitter(points: Tensor, scores: Tensor) -> float | None:
    """Pixels: the mean second difference of joints (N, 18, 2) that are visible (N, 18) in three frames in a row."""
    visible = scores > CONFIDENT
    counted = visible[2:] & visible[1:-1] & visible[:-2]
    second = points.diff(dim=0).diff(dim=0).norm(dim=-1)[counted]
    return second.mean().item() if len(second) else None


def lag(filtered: Tensor, points: Tensor, scores: Tensor) -> float | None:
    """Frames by which filtered joints (N, 18, 2) trail the detector's, by the shift at which both are nearest."""
    time, visible = np.arange(len(points)), (scores > CONFIDENT).numpy()
    errors = np.zeros(len(LAGS))
    for joint in np.flatnonzero(visible.sum(0) > 2 * max(LAGS)):
        known = time[visible[:, joint]]
        inner = known[(known >= known[0] + max(LAGS)) & (known <= known[-1] - max(LAGS))]
        for axis in (0, 1):
            own, path = filtered[inner, joint, axis].numpy(), points[known, joint, axis].numpy()
            errors += [np.abs(own - np.interp(inner - shift, known, path)).sum() for shift in LAGS]
    return float(LAGS[int(errors.argmin())]) if errors.any() else None


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
