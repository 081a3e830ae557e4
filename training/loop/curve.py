"""The loss curve and the samples of a run as pictures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...models.opencv import import_cv2
from .run_folder import RunFolder

WIDTH, HEIGHT, EDGE = 960, 480, 60
COLOURS = ((60, 60, 60), (40, 110, 220), (60, 160, 60), (200, 110, 30), (160, 60, 160), (30, 160, 200))
NOT_LOSSES = ("step", "lr", "wait", "seconds", "grad_norm", "event")


def draw_curve(folder: RunFolder) -> None:
    """curve.png: every term of the loss over the steps, on a logarithmic scale."""
    entries = [entry for entry in folder.entries() if "loss" in entry]
    names = [name for name in (entries[-1] if entries else {}) if name not in NOT_LOSSES]
    lines = {name: smooth([(e["step"], e[name]) for e in entries if e.get(name, 0) > 0]) for name in names}
    write_picture(folder.path / "curve.png", torch.from_numpy(plot(lines)))


def smooth(points: list[tuple[float, float]], most: int = 400) -> np.ndarray:
    """(P, 2) at most `most` points, each the mean of those it stands for."""
    if not points:
        return np.zeros((0, 2))
    groups = np.array_split(np.array(points, dtype=np.float64), min(most, len(points)))
    return np.stack([group.mean(0) for group in groups])


def plot(lines: dict[str, np.ndarray]) -> np.ndarray:
    """(H, W, 3) in [0, 1]."""
    cv2 = import_cv2()
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    points = [line for line in lines.values() if len(line)]
    if not points:
        return canvas / np.float32(255)
    all_points = np.concatenate(points)
    last, (low, high) = max(all_points[:, 0].max(), 1), np.log10((all_points[:, 1].min(), all_points[:, 1].max()))
    low, high = np.floor(low * 2) / 2, np.ceil(high * 2) / 2 + 1e-9
    across = lambda step: EDGE + step / last * (WIDTH - EDGE - 20)
    down = lambda log: 20 + (high - log) / (high - low) * (HEIGHT - EDGE - 20)
    text = lambda words, x, y, colour: cv2.putText(
        canvas, words, (int(x), int(y)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA
    )
    for log in np.arange(low, high + 0.01, 0.5):
        cv2.line(canvas, (EDGE, int(down(log))), (WIDTH - 20, int(down(log))), (225, 225, 225), 1)
        text(f"{10**log:.2g}", 8, down(log) + 4, (90, 90, 90))
    for part in range(5):
        text(f"{last * part / 4:.0f}", across(last * part / 4) - 10, HEIGHT - 18, (90, 90, 90))
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = np.stack([across(line[:, 0]), down(np.log10(line[:, 1]))], 1) if len(line) else line
        cv2.polylines(canvas, [np.round(path * 8).astype(np.int32)], False, colour, 1, cv2.LINE_AA, 3)
        text(name, WIDTH - 170, 40 + 20 * index, colour)
    return canvas / np.float32(255)


def write_picture(path: Path, picture: Tensor) -> None:
    """A (H, W, 3) picture in [0, 1] as a PNG, whole or not at all."""
    cv2 = import_cv2()
    values = (picture.detach().float().cpu().clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    ok, data = cv2.imencode(".png", values[..., ::-1])
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data.tobytes())
    temporary.replace(path)
