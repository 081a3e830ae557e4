"""The motion of the camera: one homography from frame to frame, from points of the scene tracked by optical flow.

Letters: N frames, H and W pixels.
"""

import numpy as np

from ..opencv import import_cv2

POINTS = 600
QUALITY = 1e-4  # of the best corner: a pale wall has only weak ones
MIN_POINTS = 12  # tracked points that a homography needs
STILL = 0.2  # pixels that no corner of the picture may move under a camera that stands
MAX_ROUND_TRIP = 0.5  # pixels by which a point tracked there and back may miss its start
SAMPLED, DARK = 4000, 12  # pixels that an exposure is measured on, and how far they are from black and white, in bytes
ALIKE = 0.02  # of the brightness: a smaller difference in exposure does not disturb the tracking of points


def camera_motion(
    start: np.ndarray, end: np.ndarray, scene: np.ndarray, hidden: np.ndarray | None = None, still: float = STILL
) -> np.ndarray | None:
    """(3, 3) homography of the scene from one grey picture (H, W) of bytes to another, None with too few points.

    scene (H, W) is 1 where the first picture shows the scene, hidden (H, W) is 1 where the second one does not. Where no
    corner moves by `still` pixels it is the identity.
    """
    tracked = scene_points(start, end, scene, hidden)
    return None if tracked is None else fitted_homography(*tracked, start.shape, still)


def scene_points(
    start: np.ndarray, end: np.ndarray, scene: np.ndarray, hidden: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Points (P, 1, 2) of the scene in one grey picture (H, W) of bytes and in another, None with too few of them.

    scene (H, W) is 1 where the first picture shows the scene, hidden (H, W) is 1 where the second one does not.
    """
    tracked = track_points(start, end, scene)
    if tracked is None:
        return None
    points, there, good = tracked
    if hidden is not None:
        x, y = np.round(there[:, 0]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < end.shape[1]) & (y < end.shape[0])
        good &= inside & (hidden[y.clip(0, end.shape[0] - 1), x.clip(0, end.shape[1] - 1)] == 0)
    return (points[good], there[good]) if good.sum() >= MIN_POINTS else None


def fitted_homography(
    points: np.ndarray, there: np.ndarray, shape: tuple[int, int], still: float = STILL
) -> np.ndarray | None:
    """(3, 3) from points (P, 1, 2) of a picture (H, W) to others (P, 1, 2), the identity where no corner moves by `still`."""
    cv2 = import_cv2()
    if np.median(np.abs(there - points)) < 0.05:
        return np.eye(3)
    cv2.setRNGSeed(0)
    homography, kept = cv2.findHomography(points, there, cv2.RANSAC, 0.75)
    if homography is None or kept.sum() < MIN_POINTS or not is_plausible(homography, shape):
        return None
    return np.eye(3) if corner_motion(homography, shape) < still else homography


def track_points(start: np.ndarray, end: np.ndarray, scene: np.ndarray | None = None, levels: int = 4):
    """Corners (P, 1, 2) of one grey picture (H, W) of bytes, where they are in another, and which of them can be trusted.

    scene (H, W) is 1 where the first picture may have such points. Motion of up to about 8 pixels is found at level 0,
    twice as much at each level more. None with too few points.
    """
    points = corners(start, scene)
    return None if points is None else (points, *follow(points, start, end, levels))


def corners(start: np.ndarray, scene: np.ndarray | None = None, quality: float = QUALITY) -> np.ndarray | None:
    """Corners (P, 1, 2) of a grey picture (H, W) of bytes where it shows the scene (H, W), None with too few of them."""
    distance = max(4, min(start.shape) // 60)
    mask = None if scene is None else scene.astype(np.uint8)
    points = import_cv2().goodFeaturesToTrack(start, POINTS, quality, distance, mask=mask)
    return None if points is None or len(points) < MIN_POINTS else points


def follow(points: np.ndarray, start: np.ndarray, end: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the points (P, 1, 2) of one grey picture are in another, and which of them can be trusted (P,)."""
    cv2 = import_cv2()
    there, found, _ = cv2.calcOpticalFlowPyrLK(start, end, points, None, winSize=(15, 15), maxLevel=levels)
    back, again, _ = cv2.calcOpticalFlowPyrLK(end, start, there, None, winSize=(15, 15), maxLevel=levels)
    good = (found & again).ravel().astype(bool) & (np.abs(back - points).max((1, 2)) < MAX_ROUND_TRIP)
    return there, good


def drift(start: np.ndarray, end: np.ndarray, scene: np.ndarray | None = None) -> float:
    """The pixels by which most of one grey picture (H, W) of bytes is moved in another, 0 with too few points to see it.

    Noise moves points in all directions, so each quarter of the picture counts with its median; a zoom moves all four.
    """
    tracked = track_points(start, end, scene, levels=1)  # more would take one piece of a pattern for the next one
    if tracked is None or tracked[2].sum() < MIN_POINTS:
        return 0.0
    points, there = (array[tracked[2]] for array in tracked[:2])
    right, lower = (points[:, 0] > np.array(start.shape[::-1]) / 2).T
    moved = (there - points)[:, 0]
    quarters = [moved[(right == x) & (lower == y)] for x in (False, True) for y in (False, True)]
    medians = [np.linalg.norm(np.median(part, 0)) for part in quarters if len(part) >= MIN_POINTS / 2]
    return float(np.median(medians)) if medians else 0.0


def checked_frames(frames: int) -> list[int]:
    """Frames on both sides of the middle one, near ones first, then twice as far each time."""
    places = [frames // 2 + sign * 2**power for power in range(frames.bit_length()) for sign in (-1, 1)]
    return [place for place in places if 0 <= place < frames]


def corner_motion(homography: np.ndarray, shape: tuple[int, int]) -> float:
    """The most pixels that a corner of a picture moves."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], float)
    moved = corners @ homography.T
    return float(np.abs(moved[:, :2] / moved[:, 2:] - corners[:, :2]).max())


def is_plausible(homography: np.ndarray, shape: tuple[int, int]) -> bool:
    """Between neighbouring frames a camera neither turns the picture over nor jumps by most of it."""
    corners = np.array([[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]], float)
    return bool((corners @ homography[2] > 0.1).all()) and corner_motion(homography, shape) < 0.75 * max(shape)


def match_exposure(end: np.ndarray, start: np.ndarray, common: np.ndarray) -> np.ndarray:
    """A grey picture (H, W) of bytes with the exposure of another, from where both (H, W) show the scene.

    A difference that is too small to disturb the tracking of points is left.
    """
    one, other = (picture[common][:: max(1, common.sum() // SAMPLED)].astype(np.float32) for picture in (start, end))
    mid = (one > DARK) & (one < 255 - DARK) & (other > DARK) & (other < 255 - DARK)
    if mid.sum() < MIN_POINTS:
        return end
    gain = float(np.median(one[mid] / other[mid]))
    return end if abs(gain - 1) < ALIKE else import_cv2().convertScaleAbs(end, alpha=gain)


def enlarged(homography: np.ndarray | None, step: int) -> np.ndarray | None:
    """A homography of pictures that are `step` times smaller as one of the pictures themselves."""
    if homography is None or step == 1:
        return homography
    larger = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1]])
    return larger @ homography @ np.linalg.inv(larger)
