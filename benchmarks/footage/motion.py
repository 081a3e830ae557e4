"""How far the flow of a shot is trusted, and what Measure Flicker makes of it and of worse copies of it.

Letters: N frames, H and W pixels.
"""

import re

import cv2
import numpy as np
import torch
from torch import Tensor

from .measures import CpuSeconds, decibels
from .nodes import run
from .shots import Footage

BRIGHTNESS, SEED = 0.03, 3  # by which a flickering copy changes from frame to frame, as a spread
BLUR = 2.0  # pixels


def measure(footage: Footage) -> dict:
    """The rows of a shot."""
    return flow_rows(footage) | flicker_rows(footage)


def flow_rows(footage: Footage) -> dict:
    """Trusted percent of everything and of the person, CPU seconds a pair, and how near the warped next frame is."""
    images = footage.images()
    with CpuSeconds() as watch:
        flow = run("DuetEstimateFlow", images=images)["flow"]
    valid, person = flow["forward_valid"].numpy() > 0.5, footage.person[:-1]
    warped = run("DuetWarpByFlow", images=images, flow=flow, warp_mode="to previous frame")["warped"]
    return {
        "flow_trusted_percent": 100 * float(valid.mean()),
        "flow_trusted_on_person_percent": 100 * float(valid[person].mean()) if person.any() else None,
        "flow_cpu_s": watch.seconds / len(valid),
        "flow_warped_db": decibels(warped, lambda index: images[index], valid),
        "flow_unwarped_db": decibels(images[1:], lambda index: images[index], valid),
    }


def flicker_rows(footage: Footage) -> dict:
    """The warp error of the shot, of a copy whose brightness flickers and of a blurred one, and what else the node measures."""
    images = footage.images()
    rows = {}
    for name, copy in (("", images), ("_brightness", flickering(images)), ("_blurred", blurred(images))):
        found = run("DuetMeasureFlicker", images=copy, motion_images=images)
        rows[f"flicker{name}"] = found["warp_error"]
        # A newer node may also compare with the original clip: every number that it gives beside the first is kept.
        others = {key: value for key, value in found.items() if isinstance(value, float) and key != "warp_error"}
        rows |= {f"flicker{name}_{key_of(key)}": value for key, value in others.items()}
    return rows


def key_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def flickering(images: Tensor) -> Tensor:
    """(N, H, W, 3) with another brightness in every frame."""
    draw = torch.Generator().manual_seed(SEED)
    gains = 1 + BRIGHTNESS * torch.randn(len(images), 1, 1, 1, generator=draw)
    return (images * gains).clamp_(0, 1)


def blurred(images: Tensor) -> Tensor:
    """(N, H, W, 3) without its details."""
    return torch.from_numpy(np.stack([cv2.GaussianBlur(one.numpy(), (0, 0), BLUR) for one in images]))
