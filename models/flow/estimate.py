"""Optical flow estimated by DIS (Kroeger et al., ECCV 2016), where it is trusted, and the error of a clip along it.

Flow is in pixels, last axis (dx, dy). Letters: F frames, P = F - 1 pairs of neighbours, H and W pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .frames import Report, frame_by_frame, silent
from .warp import warp

MIN_SIDE = 32  # on pictures smaller than its patches DIS reads beyond their border
LUMA = (0.299, 0.587, 0.114)


def dis_flow(start: Tensor, end: Tensor) -> Tensor:
    """The offset of each pixel of `start` in `end`: (H, W, 3) pictures in [0, 1] to flow (H, W, 2)."""
    cv2 = import_cv2()
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)  # the preset stops at half the size
    height, width = start.shape[:2]
    margin = (0, max(0, MIN_SIDE - height), 0, max(0, MIN_SIDE - width))
    pictures = [cv2.copyMakeBorder(grey(picture), *margin, cv2.BORDER_REPLICATE) for picture in (start, end)]
    flow = estimator.calc(*pictures, None)[:height, :width]
    return torch.from_numpy(np.ascontiguousarray(flow)).to(start.device)


def grey(picture: Tensor) -> np.ndarray:
    """(H, W, 3) in [0, 1] to (H, W) brightness in 8 bits."""
    luma = (picture.float().cpu() * torch.tensor(LUMA)).sum(-1)
    return (luma.clamp(0, 1) * 255).round().byte().numpy()


def consistent(forward: Tensor, backward: Tensor) -> Tensor:
    """(P, H, W) bool: forward and backward flow, (P, H, W, 2) each, lead back to the start and stay inside the picture.

    The bound grows with the motion, as in Sundaram, Brox and Keutzer (ECCV 2010).
    """
    height, width = forward.shape[1:3]
    y, x = torch.meshgrid(*(torch.arange(n, device=forward.device) for n in (height, width)), indexing="ij")
    to_x, to_y = x + forward[..., 0], y + forward[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    back = warp(backward, forward)
    square = lambda flow: flow.square().sum(-1)
    return inside & (square(forward + back) < 0.01 * (square(forward) + square(back)) + 0.5)


def neighbours_flow(images: Tensor, report: Report = silent) -> dict[str, Tensor]:
    """(F, H, W, 3) to the flow between neighbours forward and backward, (P, H, W, 2) each, and where it is trusted."""

    def pair(i: int) -> tuple[Tensor, ...]:
        there, back = dis_flow(images[i], images[i + 1]), dis_flow(images[i + 1], images[i])
        return there, trusted(there, back), back, trusted(back, there)

    names = ("forward", "forward_valid", "backward", "backward_valid")
    return dict(zip(names, frame_by_frame(pair, len(images) - 1, report), strict=True))


def trusted(there: Tensor, back: Tensor) -> Tensor:
    """(H, W) 1 where flow (H, W, 2) there and back agree."""
    return consistent(there[None], back[None])[0].float()


def flow_to_still(picture: Tensor, images: Tensor, report: Report = silent) -> tuple[Tensor, Tensor]:
    """From each pixel of (F, H, W, 3) to the picture (H, W, 3): flow (F, H, W, 2) and where it is trusted, (F, H, W)."""

    def frame(i: int) -> tuple[Tensor, ...]:
        flow = dis_flow(images[i], picture)
        return flow, trusted(flow, dis_flow(picture, images[i]))

    return frame_by_frame(frame, len(images), report)


def warp_errors(
    images: Tensor, motion: Tensor, report: Callable[[int], None] = lambda done: None
) -> tuple[Tensor, Tensor]:
    """The error between each frame and the next one warped back along the flow of `motion`.

    images and motion (F, H, W, 3) to the mean absolute error (P, H, W) and the pixels whose flow is trusted, (P, H, W).
    """
    errors, valid = [], []
    for i in range(len(images) - 1):
        forward, backward = dis_flow(motion[i], motion[i + 1])[None], dis_flow(motion[i + 1], motion[i])[None]
        next_frame = warp(images[i + 1 : i + 2], forward.to(images.device))[0]
        errors.append((next_frame - images[i]).abs().mean(-1))
        valid.append(consistent(forward, backward)[0].to(images.device))
        report(i + 1)
    return torch.stack(errors), torch.stack(valid)
