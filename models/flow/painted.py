"""A clip of painted flow read as offsets in pixels, and how well a color wheel fits it.

Letters: N pictures, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from ..choices import FLOW_WHEELS
from ..depth.residual import Residual, judge, sampled
from ..opencv import import_cv2
from .fields import Field, inside
from .frames import Report, frame_by_frame, silent
from .wheels import percent_beside, read

MEDIAN = 5  # pixels
COLOURED = 0.15  # from the darkest to the brightest channel: white and black fit more than one wheel


def without_noise(pictures: Tensor, report: Report = silent) -> Tensor:
    """(N, H, W, 3) with the median of the colours around each pixel, which keeps edges."""

    def one(index: int) -> tuple[Tensor]:
        colours = np.ascontiguousarray(pictures[index].float().clamp(0, 1).cpu().numpy())
        return (torch.from_numpy(import_cv2().medianBlur(colours, MEDIAN)),)

    return frame_by_frame(one, len(pictures), report)[0]


def read_painted(pictures: Tensor, wheel: str, max_motion: float, report: Report = silent) -> Field:
    """(N, H, W, 3) pictures to a field, by the pixels of motion that full colour stands for."""

    def one(index: int) -> tuple[Tensor, Tensor]:
        unit, visible = read(pictures[index], wheel)
        offset = unit * max_motion
        return offset, visible.float() * inside(offset[None])[0]

    return Field(*frame_by_frame(one, len(pictures), report))


def wheel_residual(pictures: Tensor, wheel: str) -> Residual:
    """Compares the colours of (N, H, W, 3) with a color wheel and with the others, where there is colour."""
    pixels = sampled(pictures)
    coloured = pixels[(pixels.amax(-1) - pixels.amin(-1)) > COLOURED]
    pixels = coloured if len(coloured) else pixels
    percents = {other: percent_beside(pixels, other) for other in FLOW_WHEELS}
    return judge(wheel, percents, "color wheel", "color_wheel", "flow")
