"""What a mask of what moves is worth, in sentences: how much moves, and what a still camera's median cannot show.

Letters: N frames, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ..flow.cuts import describe_cuts, find_cuts
from ..flow.estimate import grey
from .camera import checked_frames, drift
from .motion_mask import grow
from .still_scene import StillScene

DRIFT = 0.75  # pixels, of a picture with 540 on its shorter side, that a still camera may move
ENOUGH_FRAMES = 8
OFTEN, STAYS = 0.4, 0.12  # the share of the frames in which something is at a place, and of its places that are such
MARGIN = 4  # pixels around the mask that follow what moves
SCENE_SHARE = 0.5  # of the picture: a mask that leaves less is one of a camera that moves


def motion_report(images: Tensor, scene: StillScene, masks: Tensor) -> list[str]:
    """Sentences on the masks (N, H, W) of images (N, H, W, 3)."""
    frames, share = len(images), sum(mask.mean().item() for mask in masks) / len(images)
    moving = sum(bool(mask.any()) for mask in masks)
    lines = [f"{100 * share:.1f} % of the picture moves on average; something moves in {moving} of {frames} frames."]
    if frames < ENOUGH_FRAMES:
        lines += [f"{frames} frames are few: the scene is cleaner with {ENOUGH_FRAMES} or more."]
    if (moved := camera_drift(images, scene, masks)) > DRIFT * max(1.0, min(images.shape[1:3]) / 540):
        lines += [
            f"The camera moves by up to {moved:.1f} pixels, so edges of the scene are in the mask: use a clip from a still "
            "camera, or a mask from SAM3 or Remove Background."
        ]
    if cuts := find_cuts(images):
        lines += [
            f"{describe_cuts(cuts)}, and the median mixes the shots: put Trim Video in front and mask each shot alone."
        ]
    if not moving:
        lines += ["The mask is empty: raise sensitivity or lower min_size_percent."]
    elif (stays := staying_share(masks)) > STAYS:
        lines += [
            f"What moves hardly leaves its place: at {100 * stays:.0f} % of its places it is in many frames, so that the "
            "scene may show it and the mask has holes there. Use a longer part of the clip, or a mask from SAM3."
        ]
    return lines


def camera_drift(images: Tensor, scene: StillScene, masks: Tensor) -> float:
    """The most pixels by which a frame is moved against the middle one, by points where the masks show the scene."""
    plain = lambda index: grey(images[index] / scene.exposures[index].clamp_min(1e-3))
    middle = len(images) // 2
    start, everywhere = plain(middle), np.ones(images.shape[1:3], bool)
    moved = 0.0
    for index in checked_frames(len(images)):
        free = ~(grow(torch.maximum(masks[index], masks[middle]).numpy(), MARGIN) > 0)
        moved = max(moved, drift(start, plain(index), free if free.mean() > SCENE_SHARE else everywhere))
    return moved


def staying_share(masks: Tensor) -> float:
    """Of the places that masks (N, H, W) cover in any frame, the share that they cover in many."""
    often = torch.zeros(masks.shape[1:])
    for mask in masks:
        often += mask
    covered = (often > 0).sum().item()
    return (often > OFTEN * len(masks)).sum().item() / max(covered, 1)
