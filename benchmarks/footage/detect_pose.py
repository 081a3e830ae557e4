"""Keypoints of BlazePose for a shot, in an environment of its own: python detect_pose.py SHOT.npz DETECTOR.tflite LANDMARKS.tflite OUT.npz

Needs numpy and ai-edge-litert alone. Where the joints of the last frame are clear, the next crop follows them, as MediaPipe does;
else the detector looks at the surroundings of the person's mask. Letters: N frames, H and W pixels.
"""

import sys

import numpy as np

DETECTED, CROP = 224, 256  # pixels of what both networks read
CLEAR = 0.5
AROUND = 1.8  # times the larger side of the mask: what the detector looks at
SCALE = 1.25  # of the person's circle: what the joints are found in
HIPS, TOP = 33, 34  # landmarks between the hips and on the circle around the person
# Joints of OpenPose among those of BlazePose; the neck is between both shoulders.
JOINTS = (0, (11, 12), 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)


class Network:
    """A network of LiteRT: a picture (h, w, 3) in, its outputs by the number of their values."""

    def __init__(self, path: str):
        from ai_edge_litert.interpreter import Interpreter

        self.run = Interpreter(model_path=path, num_threads=1)
        self.run.allocate_tensors()
        self.place = self.run.get_input_details()[0]["index"]

    def __call__(self, picture: np.ndarray) -> dict[int, np.ndarray]:
        self.run.set_tensor(self.place, picture[None].astype(np.float32))
        self.run.invoke()
        found = (self.run.get_tensor(one["index"]) for one in self.run.get_output_details())
        return {array.size: array for array in found}


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def anchors() -> np.ndarray:
    """(2254, 2) the middles of the detector's cells."""
    rows = []
    for stride, count in ((8, 2), (16, 2), (32, 6)):
        side = DETECTED // stride
        y, x = np.mgrid[:side, :side]
        middle = (np.stack((x, y), -1).reshape(-1, 2) + 0.5) / side
        rows.append(np.repeat(middle, count, 0))
    return np.concatenate(rows)


def cut(frame: np.ndarray, middle: np.ndarray, side: float, angle: float, pixels: int) -> np.ndarray:
    """(pixels, pixels, 3) in 0..1 of a turned square of a frame (H, W, 3), bilinear, black outside."""
    there = to_frame(np.mgrid[:pixels, :pixels][::-1].reshape(2, -1).T, middle, side, angle, pixels)
    low = np.floor(there).astype(int)
    part = there - low
    out = np.zeros((len(there), 3))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = low[:, 0] + dx, low[:, 1] + dy
        inside = (x >= 0) & (y >= 0) & (x < frame.shape[1]) & (y < frame.shape[0])
        weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1]) * inside
        out += weight[:, None] * frame[y.clip(0, frame.shape[0] - 1), x.clip(0, frame.shape[1] - 1)]
    return out.reshape(pixels, pixels, 3) / 255


def to_frame(points: np.ndarray, middle: np.ndarray, side: float, angle: float, pixels: int) -> np.ndarray:
    """(P, 2) places in a crop to places in the frame."""
    flat = ((points + 0.5) / pixels - 0.5) * side
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return flat @ turn.T + middle


def square_of(hips: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Middle, side and turn of the square around a person whose circle has its middle at the hips."""
    x, y = top - hips
    return hips, 2 * SCALE * float(np.hypot(x, y)), float(np.pi / 2 - np.arctan2(-y, x))


def detect(network: Network, frame: np.ndarray, mask: np.ndarray):
    """The square of the person in the surroundings of its mask (H, W), or None."""
    y, x = np.nonzero(mask)
    if len(y) < 100:
        return None
    middle = np.array([(x.min() + x.max()) / 2, (y.min() + y.max()) / 2])
    side = AROUND * max(x.max() - x.min(), y.max() - y.min())
    found = network(cut(frame, middle, side, 0.0, DETECTED) * 2 - 1)
    places = anchors()
    scores, boxes = sigmoid(found[len(places)].ravel()), found[12 * len(places)].reshape(-1, 12)
    best = int(scores.argmax())
    if scores[best] < CLEAR:
        return None
    points = (boxes[best, 4:8].reshape(2, 2) / DETECTED + places[best]) * DETECTED
    return square_of(*to_frame(points - 0.5, middle, side, 0.0, DETECTED))


def landmarks(network: Network, frame: np.ndarray, square) -> tuple[np.ndarray, np.ndarray, float]:
    """(39, 2) places in the frame, (39,) confidences, and how sure it is that there is a person."""
    found = network(cut(frame, *square, CROP))
    values = found[39 * 5].reshape(39, 5)
    return to_frame(values[:, :2] - 0.5, *square, CROP), sigmoid(values[:, 3]), float(found[1].ravel()[0])


def openpose(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(18, 2) and (18,)."""
    both = [([one], [one]) if isinstance(one, int) else (list(one), list(one)) for one in JOINTS]
    return np.stack([points[i].mean(0) for i, _ in both]), np.array([scores[i].min() for _, i in both])


def main(shot: str, detector: str, model: str, out: str) -> None:
    with np.load(shot) as stored:
        frames, masks = stored["frames"], stored["person"]
    finder, reader, square = Network(detector), Network(model), None
    points, scores = np.zeros((len(frames), 18, 2)), np.zeros((len(frames), 18))
    for index, frame in enumerate(frames):
        square = square or detect(finder, frame, masks[index])
        if square is None:
            continue
        places, sure, person = landmarks(reader, frame, square)
        if person < CLEAR:
            square = None
            continue
        points[index], scores[index] = openpose(places, sure)
        square = square_of(places[HIPS], places[TOP])
    np.savez(out, points=points, scores=scores)


if __name__ == "__main__":
    main(*sys.argv[1:5])
