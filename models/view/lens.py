"""From a pixel with its depth to the place in another camera's picture.

Letters: H and W pixels, R rows. Nearness is 1 / distance. Camera axes as in OpenCV: x right, y down, z forward.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera

EXACT = 1e-3  # pixels that a point may leave its row by
NEAREST = 1e-3  # of the distance before: what comes nearer to the camera than this part, or behind it, is not drawn


@dataclass(frozen=True)
class Pinhole:
    """Another pinhole camera: pixels times distance go through `turn`, then by `shift`."""

    turn: Tensor  # (3, 3)
    shift: Tensor  # (3,) pixels times metres, then metres
    scale: float  # the new focal length by the old one
    size: tuple[int, int]  # height and width of the new picture

    def places(self, x: Tensor, y: Tensor, nearness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Columns (W,), rows (R, 1) and nearness (R, W) to the new columns, rows and distances, each (R, W).

        NaN where the point is not known or not in front of the camera.
        """
        turn, shift = self.turn.tolist(), self.shift.tolist()
        along = lambda row: torch.add(x * turn[row][0] + turn[row][2] + y * turn[row][1], nearness, alpha=shift[row])
        forward = along(2)
        forward.masked_fill_(forward < NEAREST, torch.nan)
        return along(0).div_(forward), along(1).div_(forward), forward.div_(nearness)


@dataclass(frozen=True)
class Fisheye:
    """A camera that sees a half sphere or less: the angle from the axis is proportional to the distance from the middle."""

    turn: Tensor  # (3, 3) pixels times distance to camera axes
    shift: Tensor  # (3,) metres
    scale: float  # pixels a radian by the old focal length
    pixels: float  # pixels a radian
    size: tuple[int, int]

    def places(self, x: Tensor, y: Tensor, nearness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pinhole.places() on the half sphere."""
        turn, shift = self.turn.tolist(), self.shift.tolist()
        right, down, forward = (
            torch.add(x * turn[row][0] + turn[row][2] + y * turn[row][1], nearness, alpha=shift[row])
            for row in range(3)
        )
        aside = torch.hypot(right, down)
        angle = torch.atan2(aside, forward)
        stretch = self.pixels * torch.where(aside > 1e-6, angle / aside.clamp_min(1e-6), 1 / forward.clamp_min(1e-6))
        seen = forward > 0
        height, width = self.size
        place = lambda across, middle: (across * stretch + middle).where(seen, torch.nan)
        # The distance from the camera, not along its axis: on a half sphere the nearer of two points hides the other.
        distance = torch.hypot(aside, forward) / nearness
        return place(right, (width - 1) / 2), place(down, (height - 1) / 2), distance


def stays_in_rows(lens: Pinhole | Fisheye, size: tuple[int, int]) -> bool:
    """Whether a lens moves the points of a picture along their rows only, at their distances, as that of a second eye does."""
    if not isinstance(lens, Pinhole) or lens.size != size or min(size) < 2 or abs(lens.scale - 1) > 1e-9:
        return False
    height, width = size
    turn = lens.turn.double() - torch.eye(3, dtype=torch.float64)
    turn[0, 2] = 0.0  # the same for all points
    along, across, ahead = (turn.abs() @ torch.tensor([width, height, 1.0], dtype=torch.float64)).tolist()
    to_x, to_y, to_z = lens.shift.double().abs().tolist()
    # A point goes along by at most about a picture's width.
    strays = max(to_y, to_z * max(size)) * width > EXACT * to_x
    return not strays and max(along, across, ahead * max(size)) <= EXACT


def intrinsics(focal: float, size: tuple[int, int]) -> Tensor:
    """(3, 3) double matrix of a pinhole camera whose principal point is the picture's middle."""
    height, width = size
    return torch.tensor([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], dtype=torch.float64)


def between(here: Camera, there: Camera, frame: int = 0, new_frame: int | None = None) -> Pinhole:
    """The lens that leads from one frame of a camera to one of another."""
    new_frame = frame if new_frame is None else new_frame
    rotation = there.rotation[new_frame].double() @ here.rotation[frame].double().T
    apart = (here.position[frame] - there.position[new_frame]).double()
    return moved(
        rotation, there.rotation[new_frame].double() @ apart, here.focal, (here.height, here.width), there.focal,
        (there.height, there.width),
    )  # fmt: skip


def moved(
    rotation: Tensor, shift: Tensor, focal: float, size: tuple[int, int], new_focal: float | None = None,
    new_size: tuple[int, int] | None = None,
) -> Pinhole:  # fmt: skip
    """A pinhole camera at rotation (3, 3) and shift (3,): a point p of the old camera's axes is rotation p + shift of the new."""
    new_focal, new_size = new_focal or focal, new_size or size
    new = intrinsics(new_focal, new_size)
    turn = new @ rotation.double() @ intrinsics(focal, size).inverse()
    return Pinhole(turn, new @ shift.double(), new_focal / focal, new_size)


def fisheye(shift: Tensor, focal: float, size: tuple[int, int], side: int, field: float = math.pi) -> Fisheye:
    """A fisheye camera of `field` radians at shift (3,), in a square picture of `side` pixels."""
    pixels = side / field
    return Fisheye(intrinsics(focal, size).inverse(), shift.double(), pixels / focal, pixels, (side, side))
