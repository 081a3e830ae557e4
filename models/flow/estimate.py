"""Optical flow estimated by DIS (Kroeger et al., ECCV 2016), where it is trusted, and the error of a clip along it.

Flow is in pixels, last axis (dx, dy). Letters: F frames, P = F - 1 pairs of neighbours, H and W pixels.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .frames import Report, frame_by_frame, silent
from .warp import warp

MIN_SIDE = 32  # on pictures smaller than its patches DIS reads beyond their border
LUMA = (0.299, 0.587, 0.114)

Estimate = Callable[
    [Tensor, Tensor], Tensor
]  # two pictures (H, W, 3) to the flow (H, W, 2) from the first to the second


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


def neighbours_flow(images: Tensor, report: Report = silent, estimate: Estimate = dis_flow) -> dict[str, Tensor]:
    """(F, H, W, 3) to the flow between neighbours forward and backward, (P, H, W, 2) each, and where it is trusted."""

    def pair(i: int) -> tuple[Tensor, ...]:
        there, back = estimate(images[i], images[i + 1]), estimate(images[i + 1], images[i])
        return there, trusted(there, back), back, trusted(back, there)

    names = ("forward", "forward_valid", "backward", "backward_valid")
    return dict(zip(names, frame_by_frame(pair, len(images) - 1, report), strict=True))


def trusted(there: Tensor, back: Tensor) -> Tensor:
    """(H, W) 1 where flow (H, W, 2) there and back agree."""
    return consistent(there[None], back[None])[0].float()


def changes_along(clips: Sequence[Tensor], motion: Tensor) -> Iterator[tuple[list[Tensor], Tensor]]:
    """For each pair of neighbours: what changes in each clip beside the motion, and the pixels whose flow is trusted.

    Clips and motion are (F, H, W, 3), changes (H, W, 3): the next frame warped back along the flow of `motion`, less the
    frame. Trusted pixels are bool (H, W).
    """
    for i in range(len(motion) - 1):
        forward, backward = dis_flow(motion[i], motion[i + 1])[None], dis_flow(motion[i + 1], motion[i])[None]
        changes = [warp(clip[i + 1 : i + 2], forward.to(clip.device))[0] - clip[i] for clip in clips]
        yield changes, consistent(forward, backward)[0]


def warp_errors(images: Tensor, motion: Tensor, report: Report = silent) -> tuple[Tensor, Tensor]:
    """The error between each frame and the next one warped back along the flow of `motion`.

    images and motion (F, H, W, 3) to the mean absolute error (P, H, W) and the pixels whose flow is trusted, (P, H, W).
    """
    errors, valid = [], []
    for (change,), seen in changes_along([images], motion):
        errors.append(change.abs().mean(-1))
        valid.append(seen.to(images.device))
        report(len(errors))
    return torch.stack(errors), torch.stack(valid)
