"""The color wheels that optical flow is painted with, and offsets read back from them.

RAFT   the wheel of the Middlebury benchmark (Baker et al.), as RAFT and torchvision paint it: white is no motion
Duet   models/flow/warp.py, smooth in the direction: white is no motion
HSV    the direction as the hue, the length as the brightness: black is no motion

All show motion to the right in red and count on clockwise. A unit offset is a share of max_motion, last axis (dx, dy).
Letters: H and W pixels.
"""

import math

import torch
from torch import Tensor

from ..choices import FLOW_WHEELS, check_choice
from .warp import colour_wheel

SIXTHS = (15, 6, 4, 11, 13, 6)  # steps of the Middlebury wheel from red to yellow, green, cyan, blue, magenta and red
STEPS = sum(SIXTHS)
HIDDEN = 0.4  # brightness in which Draw Flow paints what is not valid
VISIBLE = 0.7  # brightness above which a painted pixel is one of the wheel


def paint(unit: Tensor, wheel: str = "RAFT") -> Tensor:
    """(..., 2) unit offsets to (..., 3) colours; beyond 1 they get the colour of 1."""
    check_wheel(wheel)
    if wheel == "Duet":
        return colour_wheel(unit, 1.0)
    size = unit.norm(dim=-1, keepdim=True).clamp(max=1)
    turn = torch.atan2(unit[..., 1], unit[..., 0]) / (2 * torch.pi) % 1
    if wheel == "HSV":
        return size * colour_of_hue(6 * turn)
    return 1 - size * (1 - colour_of_hue(middlebury_hue(turn)))


def read(colours: Tensor, wheel: str = "RAFT") -> tuple[Tensor, Tensor]:
    """(..., 3) colours to (..., 2) unit offsets and (...) bool, false where a wheel on white is painted dark."""
    check_wheel(wheel)
    colours = colours.float().clamp(0, 1)
    bright = colours.amax(-1)
    visible = torch.ones_like(bright, dtype=torch.bool) if wheel == "HSV" else bright > VISIBLE
    colours = torch.where(visible[..., None], colours, (colours / HIDDEN).clamp(max=1))
    return {"RAFT": read_raft, "Duet": read_duet, "HSV": read_hsv}[wheel](colours), visible


def repaint(unit: Tensor, visible: Tensor, wheel: str) -> Tensor:
    """The (..., 3) colours that what was read would be painted in, to compare with the picture."""
    return paint(unit, wheel) * torch.where(visible, 1.0, HIDDEN)[..., None]


def read_raft(colours: Tensor) -> Tensor:
    """(..., 3) colours on white to (..., 2): the direction by the hue, the length by all three channels."""
    hue = hue_of(colours)
    missing = 1 - colour_of_hue(hue)
    size = ((1 - colours) * missing).sum(-1) / missing.square().sum(-1)
    return polar(size, turn_of_middlebury(hue))


def read_duet(colours: Tensor) -> Tensor:
    """(..., 3) colours of cosines to (..., 2), which is linear."""
    thirds = torch.arange(3, device=colours.device) * (2 * torch.pi / 3)
    directions = torch.stack((thirds.cos(), thirds.sin()), -1)
    return -(4 / 3) * (1 - colours) @ directions


def read_hsv(colours: Tensor) -> Tensor:
    """(..., 3) colours on black to (..., 2)."""
    return polar(colours.amax(-1), hue_of(colours) / 6)


def polar(size: Tensor, turn: Tensor) -> Tensor:
    angle = 2 * torch.pi * turn
    return size[..., None] * torch.stack((angle.cos(), angle.sin()), -1)


def colour_of_hue(hue: Tensor) -> Tensor:
    """(...) hues, 0 red, 2 green, 4 blue, to (..., 3) colours of full saturation."""
    centres = torch.tensor([0.0, 2.0, 4.0], device=hue.device)
    far = (hue[..., None] - centres + 3) % 6 - 3
    return (2 - far.abs()).clamp(0, 1)


def hue_of(colours: Tensor) -> Tensor:
    """(..., 3) colours to their (...) hues from 0 to 6, 0 where there is none."""
    red, green, blue = colours.unbind(-1)
    high, low = colours.amax(-1), colours.amin(-1)
    span = (high - low).clamp_min(1e-6)
    by_red, by_green, by_blue = (green - blue) / span, (blue - red) / span + 2, (red - green) / span + 4
    return torch.where(high == red, by_red, torch.where(high == green, by_green, by_blue)) % 6


def middlebury_hue(turn: Tensor) -> Tensor:
    """(...) turns from 0 to 1 to hues; the benchmark's code counts one step fewer than its wheel has."""
    return piecewise(turn * (STEPS - 1), starts(), torch.arange(7.0))


def turn_of_middlebury(hue: Tensor) -> Tensor:
    """The reverse; the hues of the step that is left out are nearly no turn."""
    return piecewise(hue, torch.arange(7.0), starts()).clamp(max=STEPS - 1) / (STEPS - 1) % 1


def starts() -> Tensor:
    """(7,) where each sixth of the wheel begins, in steps."""
    return torch.tensor([sum(SIXTHS[:index]) for index in range(7)], dtype=torch.float32)


def piecewise(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(...) values through the points (7,) x and y, straight lines between them."""
    x, y = x.to(values), y.to(values)
    piece = (torch.searchsorted(x, values.contiguous(), right=True) - 1).clamp(0, 5)
    return y[piece] + (values - x[piece]) * (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])


def check_wheel(wheel: str) -> None:
    check_choice(wheel, FLOW_WHEELS)


def percent_beside(colours: Tensor, wheel: str) -> Tensor:
    """(..., 3) colours to the (...) distances from what they are read as, in percent of that from black to white."""
    return (repaint(*read(colours, wheel), wheel) - colours).norm(dim=-1) * (100 / math.sqrt(3))
