"""The scene where people and objects hide it: pixels of other frames, then a plate or a guess from around.

Under a camera that stands all frames share one plate, the middle of what they show. Under one that moves every frame
asks the frames before and after it, brought into place by the motion of the camera. What no frame has seen comes from a
plate of the artist's or is drawn in from around.
Letters: N frames, H and W pixels, C colours and, last, nearness.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .camera import motion_between
from .hidden import Source
from .layers import Layers
from .plates import MovingPlate, StillPlate, in_tune

SAME = 0.5  # steps of 8 bits by which two frames of a standing camera differ on average at most


@dataclass(frozen=True)
class Fill:
    """How to complete a scene."""

    other_frames: bool = True
    plate: Tensor | None = None  # (N or 1, H, W, 3)
    grow: int = 4  # pixels around the masks that still show something of what stands there


def complete_scene(
    layers: Layers, fill: Fill, report: Callable[[int], None] = lambda done: None
) -> tuple[Layers, Tensor]:
    """Layers with a scene (N, H, W, 3) and its nearness (N, H, W), and how sure each pixel is (N, H, W) in 0..1.

    1: seen in the frame itself; n / (n + 1): the middle of n other frames; 0: a plate's or a guess.
    """
    source, frames = Source(layers, fill.grow), len(layers.images)
    filler = chosen_plate(source, fill.other_frames, lambda done: report(done // 2))
    plates = [None] * frames if fill.plate is None else list(fill.plate) * (frames if len(fill.plate) == 1 else 1)
    scene, sure = torch.empty_like(layers.images), torch.empty(layers.images.shape[:3])
    near = None if layers.depth is None else torch.empty(layers.images.shape[:3])
    for index in range(frames):
        picture, seen = filler(index, plates[index])
        own, hole = source.frame(index), source.hole(index)
        picture = in_tune(picture, own, ~hole & (seen > 0))
        whole, sure[index] = joined(own, picture, seen, hole, fill.grow)
        scene[index] = whole[..., :3]
        if near is not None:  # what is behind somebody is no nearer than somebody
            near[index] = torch.minimum(whole[..., 3], own[..., 3])
        report((frames + index + 1) // 2)
    return replace(layers, scene=scene, scene_depth=near), sure


def chosen_plate(source: Source, other_frames: bool, report: Callable[[int], None]) -> StillPlate | MovingPlate:
    """How the pixels of other frames are found; without them every frame is on its own."""
    if not other_frames:
        return MovingPlate(source, [None] * (len(source) - 1))
    steps = camera_steps(source, report)
    still = all(step is not None and np.array_equal(step, np.eye(3)) for step in steps)
    return StillPlate(source) if still else MovingPlate(source, steps)


def joined(own: Tensor, picture: Tensor, seen: Tensor, hole: Tensor, grow: int) -> tuple[Tensor, Tensor]:
    """A frame (H, W, C) with the picture in its hole, faded in over the rim, and how sure it is (H, W)."""
    if not hole.any():
        return own, torch.ones_like(own[..., 0])
    side = max(1, grow // 2 * 2 - 1)
    weight = torch.from_numpy(import_cv2().blur(hole.float().numpy(), (side, side))).where(hole, 0.0)
    return torch.lerp(own, picture.to(own), weight[..., None]), torch.where(hole, seen / (seen + 1), 1.0)


def camera_steps(source: Source, report: Callable[[int], None]) -> list:
    """N - 1 homographies from each frame to the next, None where the camera cannot be followed."""
    steps, last, hidden = [], source.grey(0), source.hole(0).numpy()
    for index in range(1, len(source)):
        now, gone = source.grey(index), source.hole(index).numpy()
        step = np.eye(3) if unmoved(last, now, ~hidden & ~gone) else motion_between(last, now, ~hidden, gone)
        steps.append(step)
        last, hidden = now, gone
        report(index)
    return steps


def unmoved(last: np.ndarray, now: np.ndarray, both: np.ndarray) -> bool:
    """Two frames (H, W) of bytes show the same scene where both (H, W) show it, or nothing that could be compared."""
    return not both.any() or float(np.abs(last[both].astype(np.int16) - now[both]).mean()) < SAME
