"""The scene where people and objects hide it: pixels of other frames, then an inpainted picture or a guess from around.

Under a camera that stands all frames share one picture of the scene, the median of the frames. Under one that moves each
frame takes the frames before and after it, warped by the motion of the camera. What no frame shows comes from a picture
that the user gives or is inpainted from around.
Letters: N frames, H and W pixels, C colours and, last, nearness.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .camera import camera_motion, checked_frames, corner_motion, drift
from .fillers import MovingCamera, StillCamera, match_nearness
from .layers import Layers
from .scene_frames import SceneFrames

SAME_FRAME = 0.5  # steps of 8 bits by which two frames of a standing camera differ on average at most
# Pixels under a still camera: by which codecs and wind move a corner from frame to frame, and the scene in the whole clip.
SHAKE, STAYS = 0.75, 0.5


@dataclass(frozen=True)
class FillSettings:
    use_other_frames: bool = True
    inpainted_scene: Tensor | None = None  # (N or 1, H, W, 3)
    grow_mask: int = 4  # pixels around the masks that are filled too: soft edges and blur


def fill_scene(
    layers: Layers, settings: FillSettings, report: Callable[[int], None] = lambda done: None
) -> tuple[Layers, Tensor]:
    """Layers with a scene (N, H, W, 3) and its nearness (N, H, W), and the confidence of each pixel (N, H, W) in 0..1.

    1: visible in the frame itself; n / (n + 1): the median of n other frames; 0: the fill image or a guess.
    """
    source, frames = SceneFrames(layers, settings.grow_mask), len(layers.images)
    camera = choose_camera(source, settings.use_other_frames, lambda done: report(done // 2))
    given = settings.inpainted_scene
    fills = [None] * frames if given is None else list(given) * (frames if len(given) == 1 else 1)
    scene, confidence = torch.empty_like(layers.images), torch.empty(layers.images.shape[:3])
    near = None if layers.depth is None else torch.empty(layers.images.shape[:3])
    for index in range(frames):
        picture, views = camera(index, fills[index])
        own, hole = source.frame(index), source.hole(index)
        picture = match_nearness(picture, own, ~hole & (views > 0))
        whole, confidence[index] = blend_into_hole(own, picture, views, hole, settings.grow_mask)
        scene[index] = whole[..., :3]
        if near is not None:  # the scene behind a person is no nearer than the person
            near[index] = torch.minimum(whole[..., 3], own[..., 3])
        report((frames + index + 1) // 2)
    return replace(layers, scene=scene, scene_depth=near), confidence


def choose_camera(
    source: SceneFrames, use_other_frames: bool, report: Callable[[int], None]
) -> StillCamera | MovingCamera:
    """How the pixels of other frames are found; without them every frame is on its own."""
    if not use_other_frames:
        return MovingCamera(source, [None] * (len(source) - 1))
    steps = camera_steps(source, report)
    return StillCamera(source, report) if is_still(source, steps) else MovingCamera(source, steps)


def is_still(source: SceneFrames, steps: list) -> bool:
    """No step moves the picture, or small ones lead nowhere: a slow pan adds up, the shake of a tripod does not."""
    size = source.layers.size
    if any(step is None or corner_motion(step, size) > SHAKE for step in steps):
        return False
    if all(np.array_equal(step, np.eye(3)) for step in steps):
        return True
    middle = len(source) // 2
    start, free = source.grey(middle), ~source.hole(middle).numpy()
    others = checked_frames(len(source))
    return all(drift(start, source.grey(i), free & ~source.hole(i).numpy()) < STAYS for i in others)


def blend_into_hole(own: Tensor, picture: Tensor, views: Tensor, hole: Tensor, grow: int) -> tuple[Tensor, Tensor]:
    """A frame (H, W, C) with the picture in its hole, faded in over the rim, and the confidence (H, W)."""
    if not hole.any():
        return own, torch.ones_like(own[..., 0])
    side = max(1, grow // 2 * 2 - 1)
    weight = torch.from_numpy(import_cv2().blur(hole.float().numpy(), (side, side))).where(hole, 0.0)
    return torch.lerp(own, picture.to(own), weight[..., None]), torch.where(hole, views / (views + 1), 1.0)


def camera_steps(source: SceneFrames, report: Callable[[int], None]) -> list:
    """N - 1 homographies from each frame to the next, None where the camera cannot be followed."""
    steps, last, last_hole = [], source.grey(0), source.hole(0).numpy()
    for index in range(1, len(source)):
        now, hole = source.grey(index), source.hole(index).numpy()
        unmoved = is_same_frame(last, now, ~last_hole & ~hole)
        steps.append(np.eye(3) if unmoved else camera_motion(last, now, ~last_hole, hole))
        last, last_hole = now, hole
        report(index)
    return steps


def is_same_frame(last: np.ndarray, now: np.ndarray, common: np.ndarray) -> bool:
    """Two frames (H, W) of bytes are the same where both (H, W) show the scene, or there is nothing to compare."""
    return not common.any() or float(np.abs(last[common].astype(np.int16) - now[common]).mean()) < SAME_FRAME
