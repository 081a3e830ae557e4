"""The scene where people and objects hide it: pixels of other frames, then an inpainted picture or a guess from around.

Under a camera that stands all frames share one picture of the scene. Under one that moves each frame takes the frames
before and after it, warped by the motion of the camera. Colours are matched to those around each hole. What no frame shows
comes from a picture that the user gives or is inpainted from around.
Letters: N frames, H and W pixels, C colours and, last, nearness.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..flow.cuts import shots_of
from .camera import camera_motion, enlarged, match_exposure
from .layers import DISTANCE, Layers, frames_of, part_of
from .moving_camera import MovingCamera
from .patches import Filled, blend
from .scene_frames import SceneFrames
from .shared_clip import Family, SharedClip, constant
from .standing import standing_offsets
from .still_camera import StillCamera

SAME_FRAME = 0.5  # bytes by which two frames differ on average at most, if nothing moves
STILL = 0.2  # pixels by which a corner of the picture moves from frame to frame at least, if the camera does

Report = Callable[[int], None]


@dataclass(frozen=True)
class FillSettings:
    use_other_frames: bool = True
    inpainted_scene: Tensor | None = None  # (N or 1, H, W, 3)
    grow_mask: int = 4  # pixels around the masks that are filled too: soft edges and blur
    cuts: tuple[int, ...] = ()  # the first frame of each shot but the first one: no shot shows the scene of another

    def of(self, part: slice) -> "FillSettings":
        """The settings for some frames."""
        given = self.inpainted_scene
        return replace(self, inpainted_scene=None if given is None else frames_of(given, part), cuts=())


def fill_scene(layers: Layers, settings: FillSettings, report: Report = lambda done: None) -> tuple[Layers, Tensor]:
    """Layers with a scene (N, H, W, 3) and its nearness (N, H, W), and the confidence of each pixel (N, H, W) in 0..1.

    1: visible in the frame itself; n / (n + 1): the middle of n other frames; 0: the fill image or a guess.
    """
    clips = clips_to_write(layers)
    for shot in shots_of(settings.cuts, len(layers.images)):
        part = slice(shot.start, shot.stop)
        fill_shot(
            part_of(layers, part),
            settings.of(part),
            clips,
            shot.start,
            lambda done, start=shot.start: report(start + done),
        )
    scene, depth, confidence = (None if clip is None else clip.clip() for clip in clips)
    return replace(layers, scene=scene, scene_depth=depth), confidence


def fill_shot(layers: Layers, settings: FillSettings, clips: tuple, start: int, report: Report) -> None:
    """Fills one shot, whose first frame is number `start` of the clips that are written."""
    source, frames = SceneFrames(layers, settings.grow_mask), len(layers.images)
    camera = choose_camera(source, settings.use_other_frames, lambda done: report(done // 2))
    given = settings.inpainted_scene
    fills = [None] * frames if given is None else list(given) * (frames if len(given) == 1 else 1)
    for index in range(frames):
        near = None if layers.depth is None else layers.frame_nearness(index).clone()
        parts = layers.images[index].clone(), near, torch.ones(layers.size)
        for filled in camera(index, fills[index]):
            put_patch(filled, source, index, *parts)
        for clip, part in zip(clips, parts, strict=True):
            if clip is not None:
                clip.write(start + index, part)
        report((frames + index + 1) // 2)


def clips_to_write(layers: Layers) -> tuple[SharedClip, SharedClip | None, SharedClip]:
    """The scene (N, H, W, 3), its nearness, if there is depth, and its confidence, (N, H, W) each."""
    shape, family = (len(layers.images), *layers.size), Family.of(layers.images)
    name = "nearness" if layers.depth_type == DISTANCE else "depth"  # pictures keep their greys
    near = None if layers.depth is None else family.dense(name, None, *shape, by_columns=True)
    return family.dense("images", None, *shape, 3), near, family.dense("shown", constant(1.0, *shape), *shape)


def put_patch(
    filled: Filled, source: SceneFrames, index: int, scene: Tensor, near: Tensor | None, confidence: Tensor
) -> None:
    """Writes a patch into a frame's scene (H, W, 3), its nearness and its confidence, (H, W) each."""
    box, hole = filled.patch.box, torch.from_numpy(filled.patch.hole)
    own = source.part(index, box)
    whole = torch.from_numpy(blend(own, filled, source.grow_mask))
    scene[box] = torch.where(hole[..., None], whole[..., :3].to(scene), scene[box])
    if near is not None:  # the scene behind a person is no nearer than the person
        near[box] = torch.where(hole, torch.minimum(whole[..., 3], near[box]), near[box])
    views = torch.from_numpy(filled.views).to(confidence)
    confidence[box] = torch.where(hole, views / (views + 1), confidence[box])


def choose_camera(source: SceneFrames, use_other_frames: bool, report: Report) -> StillCamera | MovingCamera:
    """How the pixels of other frames are found; without them every frame is on its own."""
    if not use_other_frames:
        return MovingCamera(source, [None] * (len(source) - 1))
    offsets = standing_offsets(source, report)
    if offsets is not None:
        return StillCamera(source, offsets, report)
    return MovingCamera(source, camera_steps(source, report))


def camera_steps(source: SceneFrames, report: Report = lambda done: None) -> list:
    """N - 1 homographies from each frame to the next, None where the camera cannot be followed."""
    steps, last, last_visible = [], source.tracked_grey(0), source.tracked_scene(0)
    for index in range(1, len(source)):
        now, visible = source.tracked_grey(index), source.tracked_scene(index)
        matched = match_exposure(now, last, last_visible & visible)
        if is_same_frame(last, matched, last_visible & visible):
            steps.append(np.eye(3))
        else:
            steps.append(
                enlarged(camera_motion(last, matched, last_visible, ~visible, STILL / source.step), source.step)
            )
        last, last_visible = now, visible
        report(index)
    return steps


def is_same_frame(last: np.ndarray, now: np.ndarray, common: np.ndarray) -> bool:
    """Two frames (H, W) of bytes are the same where both (H, W) show the scene, or there is nothing to compare."""
    return not common.any() or float(np.abs(last[common].astype(np.int16) - now[common]).mean()) < SAME_FRAME
