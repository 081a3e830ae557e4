"""POSE_KEYPOINT in its three dialects, and the OpenPose picture of it.

native    the host's SDPose: pixels, real scores, every part present
dwpose    controlnet_aux DWPose: pixels, score 1 or 0, None for a part that nobody looked for
openpose  controlnet_aux OpenPose: as dwpose, but x is divided by the canvas width and y by its height

Pixel centres lie at integer coordinates. Letters: N frames, H and W pixels.
"""

import colorsys
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .choices import POSE_DIALECTS
from .opencv import import_cv2

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
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85)),
    *((0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255)),
    *((255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
BONES = tuple((0 if point % 4 == 1 else point - 1, point) for point in range(1, 21))  # five fingers from the wrist
EYES = [14, 15]  # the body joints that a face of 70 points repeats after its 68 landmarks


BONE_COLOURS = tuple(tuple(int(255 * c) for c in colorsys.hsv_to_rgb(bone / 20, 1, 1)) for bone in range(20))
TURN = np.arange(32) * 2 * np.pi / 32
ROUND = np.stack((np.cos(TURN), np.sin(TURN)), -1)  # outlines as (along, across) in units of half a shape's size
RIM = 0.6  # pixels by which OpenCV's smooth filling swells every outline
SQUARE = np.array(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)))


@dataclass
class Frame:
    """One frame in pixels: per person the parts as (points, 3) arrays of x, y, score; an unseen point is all zero."""

    width: int
    height: int
    people: list[dict[str, np.ndarray]]


def detect(frames: list[dict]) -> str:
    """The dialect of a clip: small coordinates are shares of the canvas, scores of only 0 and 1 come from DWPose."""
    people = [person for frame in as_clip(frames) for person in frame.get("people") or []]
    parts = [read_part(person, key, "keypoints") for person in people for key in PARTS]
    seen = np.concatenate([part[part[:, 2] > 0] for part in parts] or [np.zeros((0, 3))])
    # A joint just outside the picture is still below 2; a pose whose every pixel is below 2 would be no picture at all.
    if len(seen) and np.abs(seen[:, :2]).max() <= 2:
        return "openpose"
    complete = all(person.get(key) for person in people for key in PARTS)
    return "native" if complete or (seen[:, 2] != 1).any() else "dwpose"


def to_native(frames: list[dict]) -> list[dict]:
    """Any dialect to the host's own: pixels, scores, every part present and of full length."""
    return convert(frames, "native")


def convert(frames: list[dict], dialect: str, threshold: float = 0.3) -> list[dict]:
    """Any dialect to the named one; a point below the threshold is absent where scores are only 1 and 0."""
    if dialect not in POSE_DIALECTS:
        raise ValueError(f"Expected a dialect out of {', '.join(POSE_DIALECTS)}, got {dialect!r}: choose one of these.")
    return [write(frame, dialect, threshold) for frame in parse(frames)]


def joints(frames: list[dict]) -> tuple[Tensor, Tensor]:
    """The first person's body: (N, 18, 2) pixels and (N, 18) scores, 0 where nobody is seen."""
    nobody = np.zeros((18, 3))
    bodies = np.stack([frame.people[0][BODY] if frame.people else nobody for frame in parse(frames)])
    return torch.from_numpy(bodies[..., :2]).float(), torch.from_numpy(bodies[..., 2]).float()


def from_joints(points: Tensor, scores: Tensor, height: int, width: int) -> list[dict]:
    """(N, 18, 2) pixels and (N, 18) scores to native keypoints of one person without hands, face and feet."""
    bodies = torch.cat((points, scores[..., None]), -1).detach().cpu().double().numpy()
    rest = {key: np.zeros((count, 3)) for key, count in PARTS.items() if key != BODY}
    return [write(Frame(width, height, [{BODY: body, **rest}]), "native") for body in bodies]


def parse(frames: list[dict]) -> list[Frame]:
    """Any dialect to frames in pixels."""
    shares = detect(frames) == "openpose"
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


def write(frame: Frame, dialect: str, threshold: float = 0.0) -> dict:
    """One frame in the dialect."""
    scale = (frame.width, frame.height) if dialect == "openpose" else (1, 1)
    people = []
    for person in frame.people:
        if dialect == "native":
            people.append({key: part.ravel().tolist() for key, part in person.items()})
            continue
        seen = {key: (part[:, 2] > 0) & (part[:, 2] >= threshold) for key, part in person.items() if key != FOOT}
        flat = {key: np.column_stack((person[key][:, :2] / scale, sure)) * sure[:, None] for key, sure in seen.items()}
        kept = lambda key, seen=seen: key == BODY or seen[key].any()  # a body is always there, if only as zeros
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


def draw(
    frames: list[dict],
    height: int | None = None,
    width: int | None = None,
    stick_width: float = 0.0,
    body: bool = True,
    hands: bool = True,
    face: bool = True,
    feet: bool = False,
    threshold: float = 0.3,
) -> Tensor:
    """Keypoints of any dialect as (N, H, W, 3) OpenPose pictures; stick width 0 is 4 pixels at a size of 512."""
    clip = parse(frames)
    height, width = height or clip[0].height, width or clip[0].width
    stick = stick_width or max(1.0, min(height, width) / 128)
    shown = {BODY: body, FOOT: feet, FACE: face, RIGHT_HAND: hands, LEFT_HAND: hands}
    keys = [key for key in (BODY, FOOT, RIGHT_HAND, LEFT_HAND, FACE) if shown[key]]
    canvas = np.zeros((len(clip), height, width, 3), np.uint8)
    for picture, frame in zip(canvas, clip, strict=True):
        for person in frame.people:
            for key in keys:
                points = rescale(person[key], width / frame.width, height / frame.height)
                draw_part(picture, key, points, stick, threshold)
    return torch.from_numpy(canvas).float() / 255


def rescale(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """(K, 3) points on a picture x times wider and y times higher; a pixel's centre stays its centre."""
    return np.column_stack(((points[:, :2] + 0.5) * (x, y) - 0.5, points[:, 2]))


def draw_part(picture: np.ndarray, key: str, points: np.ndarray, stick: float, threshold: float) -> None:
    """Paints the limbs, then the joints, of one part of one person into (H, W, 3) bytes."""
    near = np.abs(points[:, :2]).max(1) < 8 * max(picture.shape)  # keeps the fixed-point numbers of OpenCV in range
    seen = (points[:, 2] > 0) & (points[:, 2] >= threshold) & near
    if not seen.any():
        return
    places = points[:, :2]
    if key == BODY:
        paint(picture, *limbs(places, seen, LIMBS, COLOURS, ROUND, stick))
        paint(picture, *discs(places, seen, COLOURS, stick))
    elif key == FOOT:
        paint(picture, *discs(places, seen, COLOURS, stick))
    elif key == FACE:
        paint(picture, *discs(places[:68], seen[:68], 68 * [(255, 255, 255)], 0.75 * stick))
    else:
        paint(picture, *limbs(places, seen, BONES, BONE_COLOURS, SQUARE, stick / 4))
        paint(picture, *discs(places, seen, 21 * [(0, 0, 255)], stick))


def limbs(
    places: np.ndarray, seen: np.ndarray, edges: tuple, colours: tuple, outline: np.ndarray, half: float
) -> tuple:
    """Outlines (K, 32 or 4, 2) and colours of the edges whose two ends are seen."""
    kept = [index for index, (a, b) in enumerate(edges) if seen[a] and seen[b]]
    ends = places[np.array([edges[index] for index in kept], dtype=int).reshape(-1, 2)]
    along = (ends[:, 1] - ends[:, 0]) / 2
    half = max(half - RIM, 0.2)
    across = along[:, ::-1] * (-half, half) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    return outline @ np.stack((along, across), 1) + ends.mean(1)[:, None], [colours[index] for index in kept]


def discs(places: np.ndarray, seen: np.ndarray, colours: tuple, radius: float) -> tuple:
    """Outlines (K, 32, 2) and colours of the points that are seen."""
    kept = np.flatnonzero(seen)
    return places[kept, None] + max(radius - RIM, 0.2) * ROUND, [colours[index] for index in kept]


def paint(picture: np.ndarray, outlines: np.ndarray, colours: list) -> None:
    """Fills the outlines in place, smooth and exact to 1/16 pixel so that slow motion does not jump."""
    cv2 = import_cv2()
    for outline, colour in zip((outlines * 16).round().astype(np.int32), colours, strict=True):
        cv2.fillConvexPoly(picture, outline, colour, cv2.LINE_AA, 4)
